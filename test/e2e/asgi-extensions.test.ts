// Extensions of ASGI: 103 Early Hints, trailers, files by path, and which of them a request's scope
// offers. Responses are compared byte by byte: a field out of its place would split a response.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { readStrings } from "../support/json.ts";
import { askOnce, fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const WANTED = "TE: trailers\r\nConnection: TE\r\n";
let typhon: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  mkdirSync(join(folder, "inside"));
  writeFileSync(join(folder, "page.txt"), "twelve bytes");
  typhon = await startTyphon(
    FILE,
    ["asgi_extensions:app", "--pathsend", "--workers", "1", "--forwarded-allow-ips", "127.0.0.1"],
    { env: { GATE_DIR: folder } },
  );
});

/** Everything that comes for one request on a connection of its own, heads and bodies. */
async function readAll(request: string): Promise<string> {
  const client = await RawClient.connect(typhon);
  client.write(request);
  const all = await client.readUntilCut();
  client.destroy();
  return all.toString("latin1");
}

const closing = (path: string, fields = ""): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close, TE\r\n${fields}\r\n`;
/** What follows the final head. */
const bodyOf = (all: string): string => all.slice(all.indexOf("\r\n\r\n") + 4);

async function offered(request: string): Promise<readonly string[]> {
  const { text } = await askOnce(typhon, request);
  return readStrings(text).map((name) => name.replace("http.response.", ""));
}

test("offers what can work for this client, and never the extension for tests", async () => {
  assert.deepEqual(await offered("GET /offered HTTP/1.1\r\nHost: a\r\n\r\n"), [
    "early_hint",
    "pathsend",
  ]);
  assert.deepEqual(await offered(`GET /offered HTTP/1.1\r\nHost: a\r\n${WANTED}\r\n`), [
    "early_hint",
    "pathsend",
    "trailers",
  ]);
  assert.deepEqual(await offered(`GET /offered HTTP/1.0\r\nHost: a\r\n${WANTED}\r\n`), [
    "pathsend",
  ]);
});

test("sends early hints before the answer (RFC 8297)", async () => {
  const client = await RawClient.connect(typhon);
  client.write("GET /hints HTTP/1.1\r\nHost: a\r\n\r\n");
  const first = await client.readHead();
  assert.deepEqual([first.status, first.reason], [103, "Early Hints"]);
  assert.deepEqual(
    [...first.fields],
    [["link", ["</a.css>; rel=preload; as=style", "</b.js>; rel=preload; as=script"]]],
  );
  assert.deepEqual((await client.readHead()).fields.get("link"), ["</c.svg>; rel=preload"]);
  const answer = await client.readResponse();
  assert.deepEqual([answer.status, answer.text], [200, "hinted"]);
  assert.equal(answer.fields.get("link"), undefined);
  // The connection goes on.
  assert.equal((await client.get("/debug")).text, "debugged");
  client.destroy();
});

test("sends no early hints to HTTP/1.0", async () => {
  const all = await readAll("GET /hints HTTP/1.0\r\nHost: a\r\n\r\n");
  assert.match(all, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(!all.includes("103"), all);
});

test("sends a bounded number of early hints, and none that is too large", async () => {
  const all = await readAll(closing("/many-hints"));
  const hints = all.split("HTTP/1.1 103 Early Hints\r\n").length - 1;
  assert.equal(hints, 16);
  assert.ok(all.includes("</15>") && !all.includes("</16>") && !all.includes("<xxx"));
  assert.ok(all.endsWith("\r\n\r\nhinted"), all.slice(-200));
});

test("an early hint that would split the answer is the application's fault: 500", async () => {
  const from = typhon.output.all.length;
  const client = await RawClient.connect(typhon);
  const answer = await client.get("/bad-hint");
  assert.equal(answer.status, 500);
  assert.equal(answer.fields.get("set-cookie"), undefined);
  await typhon.output.waitFor(/value of link holds control characters/, from);
  assert.equal((await client.get("/debug")).text, "debugged");
  client.destroy();
});

test("sends trailers behind a chunked body to a client that asks for them (RFC 9112 §7.1.2)", async () => {
  const all = await readAll(closing("/trails", "TE: gzip, trailers\r\n"));
  assert.match(all, /\r\ntrailer: x-sum, x-more\r\n/);
  assert.match(all, /\r\nTransfer-Encoding: chunked\r\n/);
  assert.equal(bodyOf(all), "3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\nx-more: \r\n\r\n");
});

test("drops trailers where nobody asks for them, or there is no place for them", async () => {
  assert.equal(bodyOf(await readAll(closing("/trails"))), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
  assert.equal(bodyOf(await readAll(closing("/trails-sized", "TE: trailers\r\n"))), "body");
  assert.equal(
    bodyOf(await readAll(closing("/trails-none", "TE: trailers\r\n"))),
    "4\r\nbody\r\n0\r\n\r\n",
  );
  const old = await readAll(`GET /trails HTTP/1.0\r\nHost: a\r\n${WANTED}\r\n`);
  assert.equal(bodyOf(old), "onetwo");
  const head = await readAll(closing("/trails", "TE: trailers\r\n").replace("GET", "HEAD"));
  assert.equal(bodyOf(head), "");
});

test("a connection goes on behind trailers", async () => {
  const client = await RawClient.connect(typhon);
  client.write(
    `GET /trails HTTP/1.1\r\nHost: a\r\n${WANTED}\r\nGET /debug HTTP/1.1\r\nHost: a\r\n\r\n`,
  );
  await client.readHead();
  const first = "3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\nx-more: \r\n\r\n";
  assert.equal(String(await client.readBytes(first.length)), first);
  assert.equal((await client.readResponse()).text, "debugged");
  client.destroy();
});

for (const [path, reason] of [
  ["/trails-forbidden", /content-length comes too late in a trailer/],
  ["/trails-split", /value of x-a holds control characters/],
] as const)
  for (const te of ["TE: trailers\r\n", ""])
    test(`cuts ${path} ${te === "" ? "without" : "with"} TE, and names the fault`, async () => {
      const from = typhon.output.all.length;
      const all = await readAll(closing(path, te));
      assert.equal(bodyOf(all), "4\r\nbody\r\n");
      await typhon.output.waitFor(reason, from);
    });

test("sends a file by its path, only its head to HEAD", async () => {
  const answer = await getOnce(typhon, "/file?page.txt");
  assert.deepEqual([answer.status, answer.text], [200, "twelve bytes"]);
  const client = await RawClient.connect(typhon);
  const head = await client.ask("HEAD /file?page.txt HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(fieldOf(head, "content-length"), "12");
  assert.equal((await client.get("/file?page.txt")).text, "twelve bytes");
  client.destroy();
});

test("a file that is not there, or is a folder, is a 500 whose reason is in the log", async () => {
  const from = typhon.output.all.length;
  for (const name of ["missing", "inside"])
    assert.equal((await getOnce(typhon, `/file?${name}`)).status, 500, name);
  await typhon.output.waitFor(/FileNotFoundError/, from);
  await typhon.output.waitFor(/IsADirectoryError/, from);
});

test("leaves out what the application says of the connection, but obeys a close", async () => {
  const client = await RawClient.connect(typhon);
  const kept = await client.get("/own-connection?keep-alive");
  assert.deepEqual([kept.status, kept.text], [200, "onetwo"]);
  for (const name of ["connection", "keep-alive"]) assert.equal(kept.fields.get(name), undefined);
  assert.deepEqual(kept.fields.get("transfer-encoding"), ["chunked"]);
  const closed = await client.get("/own-connection?close");
  assert.equal(fieldOf(closed, "connection"), "close");
  assert.equal(String(await client.readToEnd()), "");
  client.destroy();
});

test("what is meant for tests of applications goes nowhere", async () => {
  assert.equal((await getOnce(typhon, "/debug")).text, "debugged");
});

for (const [proto, scheme] of [
  ["https", "wss"],
  ["http", "ws"],
  ["wss", "wss"],
  ["WS", "ws"],
  ["ftp", "ws"],
] as const)
  test(`a WebSocket behind a proxy that says ${proto} has the scheme ${scheme}`, async () => {
    const fields =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const forwarded = `X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: ${proto}\r\n`;
    assert.equal((await getOnce(typhon, "/ws", fields + forwarded)).text, scheme);
  });
