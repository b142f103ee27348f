// The access log of the real command: one line a request with its times, bytes, worker and id, and
// nothing that a client sends can change the shape of a line.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { until } from "../support/deadline.ts";
import { readRecord } from "../support/json.ts";
import { askOnce, fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

let text: Typhon;
let json: Typhon;

before(async () => {
  const args = ["raw:app", "--workers", "1", "--access-log", "-"];
  [text, json] = await Promise.all([
    startTyphon(FILE, args),
    startTyphon(FILE, [...args, "--log-format", "json"]),
  ]);
});

/** The access line of a request, found by its id. */
async function lineOf(typhon: Typhon, id: string): Promise<string> {
  const pattern = new RegExp(`^.*${id.replaceAll(/\W/g, String.raw`\$&`)}.*$`, "m");
  return (await typhon.output.waitFor(pattern))[0];
}

test("writes address, request, status, bytes, times, worker and id", async () => {
  const answer = await askOnce(
    text,
    "POST /echo?q=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: tester/1\r\nReferer: http://r/\r\nContent-Length: 5\r\n\r\nhello",
  );
  const line = await lineOf(text, fieldOf(answer, "x-request-id"));
  assert.match(
    line,
    /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "POST \/echo\?q=1 HTTP\/1\.1" 200 5 "http:\/\/r\/" "tester\/1" /,
  );
  assert.match(line, /queue_ms=\d+\.\d app_ms=\d+\.\d total_ms=\d+\.\d received=5 worker=1$/);
  assert(text.output.stdout.includes(line), "the access log is on standard output");
});

test("writes the same as JSON", async () => {
  const answer = await getOnce(json, "/fields", "User-Agent: tester/1\r\n");
  const line = await lineOf(json, fieldOf(answer, "x-request-id"));
  const record = readRecord(line);
  assert.equal(record["event"], "access");
  assert.equal(record["method"], "GET");
  assert.equal(record["target"], "/fields");
  assert.equal(record["status"], 299);
  assert.equal(record["bytes"], 6);
  assert.equal(record["worker"], 1);
  assert.equal(record["userAgent"], "tester/1");
  for (const name of ["queueMs", "applicationMs", "totalMs"])
    assert.equal(typeof record[name], "number");
});

const INJECTIONS = [
  'User-Agent: " 500 0 "forged',
  'User-Agent: \\" 200 0 id=forged worker=9',
  "User-Agent: caf\u00e9\u0085\u009b31mred",
  'Referer: http://a/\t"tab',
  'X-Request-ID: a" forged=1',
  'X-Forwarded-For: 1.2.3.4" forged',
];

for (const [at, field] of INJECTIONS.entries()) {
  test(`keeps its shape against injection ${at + 1}`, async () => {
    const answer = await getOnce(text, "/fields?q=%22%0a%0d'", `${field}\r\n`);
    assert.equal(answer.status, 299);
    const line = await lineOf(text, fieldOf(answer, "x-request-id"));
    const shape =
      /^[\d.a-f:]+ - - \[[^\]]+\] "GET [^"\s]+ HTTP\/1\.1" 299 6 "[^"]*" "[^"]*" id=[^\s"]+ queue_ms=\S+ app_ms=\S+ total_ms=\S+ received=0 worker=1$/;
    assert.match(line, shape);
    assert.match(line, /^[\x20-\x7e]+$/, "bytes beyond printable ASCII");
  });
}

test("writes a line for a request that was refused", async () => {
  const from = text.output.all.length;
  const answer = await askOnce(text, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
  assert.equal(answer.status, 400);
  await text.output.waitFor(/^127\.0\.0\.1 .* 400 .*$/m, from);
});

test("writes a line for each of many pipelined requests", async () => {
  const from = text.output.all.length;
  const client = await RawClient.connect(text);
  client.write("GET /fields?piped HTTP/1.1\r\nHost: a\r\n\r\n".repeat(30));
  for (let count = 0; count < 30; count += 1) await client.readResponse();
  client.destroy();
  await until(
    "thirty lines",
    () => text.output.all.slice(from).split("GET /fields?piped ").length === 31,
  );
});

test("writes to a file and opens it anew on SIGUSR1", async (t) => {
  const path = join(makeScratch(t), "access.log");
  const typhon = await startTyphon(t, ["raw:app", "--workers", "1", "--access-log", path]);
  await getOnce(typhon, "/fields?first");
  await until("the first line", () => readFileSync(path, "utf8").includes("/fields?first"));
  writeFileSync(path, "");
  typhon.signal("SIGUSR1");
  await getOnce(typhon, "/fields?second");
  await until("the second line", () => readFileSync(path, "utf8").includes("/fields?second"));
});

test("a FIFO that nobody reads blocks neither uploads nor the stop", async (t) => {
  const path = join(makeScratch(t), "access.log");
  const typhon = await startTyphon(t, ["raw:app", "--workers", "1", "--access-log", path]);
  await getOnce(typhon, "/fields?first");
  await until("the first line", () => readFileSync(path, "utf8").includes("/fields?first"));
  renameSync(path, `${path}.1`);
  execFileSync("mkfifo", [path]);
  // More than the four threads of Node's pool, which temporary files need as well.
  for (let count = 0; count < 6; count += 1) {
    const from = typhon.output.all.length;
    typhon.signal("SIGUSR1");
    await typhon.output.waitFor(/ERROR a log's file cannot be opened again.*code=ENXIO$/m, from);
  }
  const body = "x".repeat(1_000_000);
  const request = `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.equal((await askOnce(typhon, request)).text, body);
  // Lines go on into the old file.
  await until("its line", () => readFileSync(`${path}.1`, "utf8").includes("POST /echo"));
  await typhon.stop();
});

test("a full pipe that nobody reads blocks neither requests nor the stop", async (t) => {
  const path = join(makeScratch(t), "access.fifo");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const typhon = await startTyphon(t, ["raw:app", "--workers", "1", "--access-log", path]);
  const client = await RawClient.connect(typhon);
  // A pipe takes 64 KiB.
  const request = `GET /fields?${"x".repeat(7000)} HTTP/1.1\r\nHost: a\r\n\r\n`;
  for (let count = 0; count < 30; count += 1) {
    client.write(request);
    assert.equal((await client.readResponse()).status, 299);
  }
  client.destroy();
  await typhon.stop();
});

test("is off unless it is asked for", async (t) => {
  const typhon = await startTyphon(t, ["raw:app", "--workers", "1"]);
  await getOnce(typhon, "/fields");
  await typhon.stop();
  assert.doesNotMatch(typhon.output.all, /GET \/fields/);
});
