// typhon dev with real frameworks: every exception of a request is a page in a browser, and a traceback for other
// clients; what a framework responds with on purpose stays.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { RawClient, type RawResponse } from "../support/raw-client.ts";
import { APPS } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const HTML = "Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Dest: document\r\n";
const APPLICATIONS = [
  "plain:wsgi",
  "plain:asgi",
  "flask_app:app",
  "django_app:wsgi",
  "django_app:asgi",
  "bottle_app:app",
  "falcon_app:wsgi",
  "falcon_app:asgi",
  "starlette_app:app",
  "starlette_app:fast",
  "litestar_app:app",
  "quart_app:app",
  "blacksheep_app:app",
];

let typhon: Typhon;
before(async () => {
  const mounts = APPLICATIONS.flatMap((app) => ["--mount", `/${app.replace(":", "-")}=${app}`]);
  const words = ["--app-dir", join(APPS, "failing"), "--threads", "1"];
  typhon = await startTyphon(FILE, ["dev", ...words, ...mounts]);
});

/** `fields`: lines; Host is that of this machine unless one of them names another. */
async function get(path: string, fields = HTML, method = "GET"): Promise<RawResponse> {
  const host = /^host:/im.test(fields) ? "" : "Host: localhost\r\n";
  const client = await RawClient.connect(typhon);
  client.write(`${method} ${path} HTTP/1.1\r\n${host}${fields}Connection: close\r\n\r\n`);
  try {
    return await client.readResponse(method);
  } finally {
    client.destroy();
  }
}

for (const app of APPLICATIONS)
  describe(app, () => {
    const at = `/${app.replace(":", "-")}`;

    test("a browser sees the exception, its source and its variables, without secrets", async () => {
      const { status, text, value } = await page(`${at}/boom?token=abcdefgh`);
      assert.equal(status, 500, text);
      assert.equal(value("content-type"), "text/html; charset=utf-8");
      assert.match(text, /<h1>ValueError<\/h1>/);
      assert.match(text, /&lt;\w+&gt; has 4711/);
      assert.match(text, /<details class="own" open>.*fails\.py/);
      assert.match(text, /<mark>.*raise ValueError\(f&quot;/);
      assert.match(text, /<th>amount<\/th><td>4711<\/td>/);
      assert.match(text, /<th>password<\/th><td>\*{8}<\/td>/);
      // The source has a part of it, the variable has it whole.
      assert.doesNotMatch(text, /hunter2[a-z]|abcdefgh|<summary>.*typhon_worker/);
      assert.match(text, /<script src="\/\.typhon\/reload\.js"/);
      assert.equal(Number(value("content-length")), Buffer.byteLength(text));
    });

    test("another client sees the traceback, one that wants JSON the application's response", async () => {
      const plain = await get(`${at}/boom`, "Accept: */*\r\n");
      const json = await get(`${at}/boom`, "Accept: application/json\r\n");
      assert.equal(plain.status, 500);
      // Falcon responds with JSON to such a client, which stays.
      const isJson = app.startsWith("falcon");
      assert.match(plain.text, isJson ? /^\{/ : /^GET .*\n\nTraceback[\s\S]*ValueError: </);
      assert.equal(json.status, 500);
      assert.doesNotMatch(json.text, /Traceback|fails\.py/);
    });

    test("a status that is meant stays, and so does a page that is well", async () => {
      const deliberate = await get(`${at}/deliberate`);
      assert.equal(deliberate.status, 503);
      assert.doesNotMatch(deliberate.text, /<details|Traceback/);
      const well = await get(`${at}/ok`);
      assert.match(well.text, /^fine\n<script/);
    });
  });

for (const at of ["/plain-wsgi", "/plain-asgi"])
  describe(`${at}, which lets exceptions pass`, () => {
    test("a page takes the place of a response that has begun, and sent nothing", async () => {
      const { status, text } = await page(`${at}/late`);
      assert.match(text, /<h1>ValueError/);
      assert.equal(status, 500);
    });

    test("a response that has sent bytes ends early, and the log tells why", async () => {
      const from = typhon.output.all.length;
      const client = await RawClient.connect(typhon);
      client.write(`GET ${at}/begun HTTP/1.1\r\nHost: localhost\r\n${HTML}\r\n`);
      await assert.rejects(client.readResponse());
      client.destroy();
      await typhon.output.waitFor(/ERROR Traceback(?:.*\n)+.*ValueError: <.sgi> has 4711/, from);
    });

    test("the log has the exception of a page as well", async () => {
      const from = typhon.output.all.length;
      await page(`${at}/boom`);
      await typhon.output.waitFor(/ERROR .*Traceback(?:.*\n)+.*ValueError: <.sgi> has 4711/, from);
      assert.doesNotMatch(typhon.output.all.slice(from), /typhon_worker/);
    });

    test("a response to HEAD has the head of the page alone", async () => {
      const { status, text, fields } = await get(`${at}/boom`, HTML, "HEAD");
      assert.deepEqual([status, text], [500, ""]);
      assert.match(String(fields.get("content-type")), /text\/html/);
    });

    for (const [what, fields, reason] of [
      ["another host", "Host: evil.example\r\n", /for another host than localhost/],
      ["a proxy", "X-Forwarded-For: 127.0.0.1\r\n", /came through a proxy/],
      ["a forged host", "Host: evil.example\r\nX-Forwarded-Host: localhost\r\n", /through a proxy/],
    ] as const)
      test(`variables are not shown to ${what}`, async () => {
        const { status, text } = await get(`${at}/boom`, HTML + fields);
        assert.equal(status, 500);
        assert.match(text, /<h1>ValueError/);
        assert.match(text, reason);
        assert.doesNotMatch(text, /<th>amount|4711<\/td>/);
      });

    test("fields with secrets are masked, also where a variable has them", async () => {
      const secret = "Cookie: session=topsecretcookie\r\nAuthorization: Bearer topsecrettoken\r\n";
      const { text } = await get(`${at}/boom`, HTML + secret);
      assert.match(text, /<th>cookie<\/th><td>\*{8}</);
      assert.doesNotMatch(text, /topsecret/);
    });
  });

test("a response of the application in JSON is a page in a browser only", async () => {
  const json = await get("/flask_app-app/json", "Accept: */*\r\n");
  assert.equal(json.text, '{"error":"ours"}\n');
  const { text } = await get("/flask_app-app/json");
  assert.match(text, /<h1>ValueError/);
});

interface Page {
  readonly status: number;
  readonly text: string;
  readonly value: (name: string) => string | undefined;
}

async function page(path: string, fields?: string): Promise<Page> {
  const { status, text, fields: found } = await get(path, fields);
  return { status, text, value: (name) => found.get(name)?.join() };
}
