// A Django project as startproject makes it, behind the real command: the admin with sessions and CSRF,
// an upload of 10 MB, a StreamingHttpResponse.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { Browser } from "../support/browser.ts";
import { readRecord } from "../support/json.ts";
import { within } from "../support/deadline.ts";
import { RawClient } from "../support/raw-client.ts";
import { APPS, makeScratch, requirePython } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const PROJECT = join(APPS, "shelf");
const UPLOAD_BYTES = 10 * 1024 * 1024;

let typhon: Typhon;
let folder: string;

function manage(...words: string[]): void {
  execFileSync(requirePython(), [join(PROJECT, "manage.py"), ...words], {
    env: { ...process.env, SHELF_FOLDER: folder, DJANGO_SUPERUSER_PASSWORD: "open sesame" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

before(async () => {
  folder = makeScratch(FILE);
  manage("migrate", "--verbosity", "0");
  manage("createsuperuser", "--noinput", "--username", "admin", "--email", "admin@example.com");
  typhon = await startTyphon(
    FILE,
    ["shelf.wsgi", "--app-dir", PROJECT, "--workers", "2", "--h2c"],
    {
      env: { SHELF_FOLDER: folder },
    },
  );
});

function tokenIn(html: string): string {
  const token = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(html)?.[1];
  assert(token !== undefined, "a form without its token");
  return token;
}

async function loggedIn(): Promise<Browser> {
  const browser = new Browser(typhon.url);
  const form = await browser.get("/admin/");
  assert.match(form.path, /^\/admin\/login\//);
  const page = await browser.post("/admin/login/?next=/admin/", {
    csrfmiddlewaretoken: tokenIn(form.html),
    username: "admin",
    password: "open sesame",
    next: "/admin/",
  });
  assert.equal(page.path, "/admin/");
  assert.match(page.html, /Site administration/);
  return browser;
}

test("logs in to the admin, lists, adds and changes an object", async () => {
  const browser = await loggedIn();
  const empty = await browser.get("/admin/library/book/");
  assert.match(empty.html, /Select book to change/);

  const form = await browser.get("/admin/library/book/add/");
  const body = new FormData();
  body.set("csrfmiddlewaretoken", tokenIn(form.html));
  body.set("title", "Moby-Dick; or, The Whale");
  body.set("pages", "635");
  body.set("_save", "Save");
  const list = await browser.post("/admin/library/book/add/", body);
  assert.equal(list.path, "/admin/library/book/");
  assert.match(list.html, /was added successfully/);
  const number = /\/admin\/library\/book\/(\d+)\/change\/[^>]*>Moby-Dick/.exec(list.html)?.[1];
  assert(number !== undefined, list.html);

  const change = await browser.get(`/admin/library/book/${number}/change/`);
  const changed = new FormData();
  changed.set("csrfmiddlewaretoken", tokenIn(change.html));
  changed.set("title", "Moby-Dick");
  changed.set("pages", "636");
  changed.set("_save", "Save");
  const saved = await browser.post(`/admin/library/book/${number}/change/`, changed);
  assert.match(saved.html, /was changed successfully/);
  const books = await browser.get("/books/");
  assert.match(books.html, /\["Moby-Dick", 636\]/);
});

test("refuses a wrong password and a form without its token", async () => {
  const browser = new Browser(typhon.url);
  const form = await browser.get("/admin/login/");
  const wrong = await browser.post("/admin/login/", {
    csrfmiddlewaretoken: tokenIn(form.html),
    username: "admin",
    password: "guess",
  });
  assert.match(wrong.html, /Please enter the correct username and password/);
  const forged = await browser.post("/admin/login/", { username: "admin", password: "x" });
  assert.equal(forged.status, 403);
});

test("takes an upload of 10 MB whole", async () => {
  const browser = new Browser(typhon.url);
  const token = (await browser.get("/upload/")).html;
  const content = randomBytes(UPLOAD_BYTES);
  const body = new FormData();
  body.set("csrfmiddlewaretoken", token);
  body.set("title", "a scan");
  body.set("scan", new Blob([content]), "scan.bin");
  const page = await browser.post("/upload/", body);
  assert.equal(page.status, 200, page.html);
  const said: unknown = JSON.parse(page.html);
  assert.deepEqual(said, {
    title: "a scan",
    name: "scan.bin",
    size: UPLOAD_BYTES,
    sha256: createHash("sha256").update(content).digest("hex"),
    stored: UPLOAD_BYTES,
  });
});

test("takes an upload whose length is not told beforehand", async () => {
  const browser = new Browser(typhon.url);
  const token = (await browser.get("/upload/")).html;
  const content = randomBytes(300_000);
  const part = (name: string, more: string): string =>
    `--edge\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`;
  const form = Buffer.concat([
    Buffer.from(`${part("csrfmiddlewaretoken", "")}${token}\r\n${part("title", "")}chunked\r\n`),
    Buffer.from(part("scan", '; filename="chunked.bin"')),
    content,
    Buffer.from("\r\n--edge--\r\n"),
  ]);
  const client = await RawClient.connect({ port: typhon.port });
  client.write(
    `POST /upload/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken=${browser.cookie("csrftoken")}\r\n` +
      "Content-Type: multipart/form-data; boundary=edge\r\nTransfer-Encoding: chunked\r\n\r\n",
  );
  for (let at = 0; at < form.length; at += 50_000) {
    const piece = form.subarray(at, at + 50_000);
    client.write(`${piece.length.toString(16)}\r\n`);
    client.write(piece);
    client.write("\r\n");
  }
  client.write("0\r\n\r\n");
  const answer = await client.readResponse("POST");
  client.destroy();
  assert.equal(answer.status, 200, answer.text);
  const { sha256 } = readRecord(answer.text);
  assert.equal(sha256, createHash("sha256").update(content).digest("hex"));
});

test("sends each line of a StreamingHttpResponse before the next one is made", async () => {
  const seen = join(makeScratch(FILE), "seen");
  const client = await RawClient.connect({ port: typhon.port });
  client.write(`GET /stream/?seen=${encodeURIComponent(seen)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  const head = await client.readHead();
  assert.equal(head.status, 200);
  assert.deepEqual(head.fields.get("transfer-encoding"), ["chunked"]);
  for (let number = 1; number <= 5; number += 1) {
    assert.equal(String(await client.readChunk()), `line ${number}\n`);
    writeFileSync(`${seen}.${number}`, "");
  }
  assert.equal(await client.readChunk(), null);
  client.destroy();
});

// Django's cookies begin with a space, for which strict clients of HTTP/2 ignore them (RFC 9113 §8.2.1).
test("cookies reach a client of HTTP/2", async (context) => {
  const session = connect(typhon.url).on("error", () => undefined);
  context.after(() => session.destroy());
  const stream = session.request({ ":path": "/admin/login/" });
  let cookies = "";
  stream.on("response", (fields) => (cookies = fields["set-cookie"]?.join() ?? ""));
  stream.resume();
  await within(10_000, once(stream, "close"), "the response");
  assert.match(cookies, /^csrftoken=/);
});
