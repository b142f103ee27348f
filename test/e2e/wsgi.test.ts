// PEP 3333 as applications use it, behind the real command. Each application is wrapped in wsgiref's
// validator, which raises where the server breaks the protocol: the client would get 500.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { askOnce, fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

let typhon: Typhon;

before(async () => {
  typhon = await startTyphon(FILE, ["raw:app", "--workers", "1"]);
});

test("sends a list of one piece with its length", async (t) => {
  // Not through the validator, whose iterables have no length.
  const other = await startTyphon(t, ["factory:create_app()", "--workers", "1"]);
  const answer = await getOnce(other, "/");
  assert.equal(answer.text, "made");
  assert.equal(fieldOf(answer, "content-length"), "4");
});

test("keeps the reason, repeated fields and obs-text of the application", async () => {
  const answer = await getOnce(typhon, "/fields");
  assert.equal(answer.status, 299);
  assert.equal(answer.reason, "As It Pleases");
  assert.deepEqual(answer.fields.get("set-cookie"), ["a=1", "b=2"]);
  assert.equal(fieldOf(answer, "x-name"), "caf\u00e9");
});

test("sends each chunk of a generator as a chunk, and none for an empty one", async () => {
  const client = await RawClient.connect(typhon);
  client.write("GET /generator HTTP/1.1\r\nHost: a\r\n\r\n");
  const head = await client.readHead();
  assert.deepEqual(head.fields.get("transfer-encoding"), ["chunked"]);
  const chunks: string[] = [];
  for (let chunk = await client.readChunk(); chunk !== null; chunk = await client.readChunk())
    chunks.push(chunk.toString());
  assert.equal(chunks.join(""), "one two three");
  assert(chunks.every((chunk) => chunk !== ""));
  client.destroy();
});

test("sends a generator to an HTTP/1.0 client without chunks and closes", async () => {
  const client = await RawClient.connect(typhon);
  client.write("GET /generator HTTP/1.0\r\n\r\n");
  const head = await client.readHead();
  assert.equal(head.fields.get("transfer-encoding"), undefined);
  assert.equal(String(await client.readToEnd()), "one two three");
  client.destroy();
});

test("sends what write() was given before what the iterable gives", async () => {
  assert.equal((await getOnce(typhon, "/write")).text, "written twice and returned");
});

test("replaces the head by start_response with exc_info", async () => {
  const answer = await getOnce(typhon, "/exc-info");
  assert.equal(answer.status, 503);
  assert.equal(answer.reason, "Half Way");
  assert.equal(fieldOf(answer, "x-head"), "second");
  assert.equal(answer.text, "replaced");
});

test("reads a file by file_wrapper and closes it once", async () => {
  const from = typhon.output.all.length;
  const answer = await getOnce(typhon, "/file");
  assert.equal(answer.text, "x".repeat(100_000));
  await typhon.output.waitFor(/closed file \(1\)/, from);
});

test("calls close() of the iterable exactly once", async () => {
  const from = typhon.output.all.length;
  assert.equal((await getOnce(typhon, "/close?once")).text, "closed once");
  await typhon.output.waitFor(/closed once \(1\)/, from);
  await getOnce(typhon, "/close?again");
  await typhon.output.waitFor(/closed again \(1\)/, from);
  assert.doesNotMatch(typhon.output.all, /closed once \(2\)/);
});

test("answers 204 without a body and goes on with the connection", async () => {
  const client = await RawClient.connect(typhon);
  const answer = await client.get("/none");
  assert.equal(answer.status, 204);
  assert.equal(answer.fields.get("content-length"), undefined);
  assert.equal(answer.fields.get("transfer-encoding"), undefined);
  assert.equal((await client.get("/fields")).text, "fields");
  client.destroy();
});

test("answers HEAD with the head of GET and no body", async () => {
  const client = await RawClient.connect(typhon);
  const head = await client.ask("HEAD /length HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(fieldOf(head, "content-length"), "10");
  assert.equal((await client.get("/length")).text, "0123456789");
  client.destroy();
});

test("gives the body by read, whole and in pieces", async () => {
  const small = randomBytes(1000);
  const echoed = await askOnce(
    typhon,
    Buffer.concat([
      Buffer.from("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"),
      small,
    ]),
  );
  assert.deepEqual(echoed.body, small);
  for (const length of [1, 3000, 4096, 70_000, 1_500_000]) {
    const body = randomBytes(length);
    const head = `POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
    const answer = await askOnce(typhon, Buffer.concat([Buffer.from(head), body]));
    assert.equal(answer.text, `${length} ${createHash("sha256").update(body).digest("hex")}`);
  }
});

test("gives the body by readline, readlines and iteration", async () => {
  const body = "first\nsecond line\nthird\nfourth\nlast";
  const answer = await askOnce(
    typhon,
    `POST /ways HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const [first, start, rest, two, others, end]: unknown[] = Object.values(JSON.parse(answer.text));
  assert.deepEqual(
    [first, start, rest],
    [String.raw`b'first\n'`, "b'sec'", String.raw`b'ond line\n'`],
  );
  assert.equal(end, "b''");
  // readlines may take more than its hint; together they are the rest of the body.
  const lines = `${String(two)}${String(others)}`.replaceAll(/[[\]']/g, "");
  for (const line of ["third", "fourth", "last"]) assert.equal(lines.split(`b${line}`).length, 2);
});

test("answers though the body was not read, and reads the next request rightly", async () => {
  const client = await RawClient.connect(typhon);
  const body = "GET /echo HTTP/1.1\r\nHost: evil\r\n\r\n".repeat(1000);
  const answer = await client.ask(
    `POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  assert.equal(answer.text, "ignored");
  assert.equal((await client.get("/fields")).text, "fields");
  client.destroy();
});

test("logs what the application writes to wsgi.errors", async () => {
  await getOnce(typhon, "/errors");
  await typhon.output.waitFor(/a complaint of the application/);
  await typhon.output.waitFor(/two lines/);
  await typhon.output.waitFor(/at once/);
});

test("the validator has found nothing", () => {
  assert.doesNotMatch(typhon.output.all, /AssertionError|Traceback/);
});
