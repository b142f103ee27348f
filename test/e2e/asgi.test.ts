// ASGI applications: the specification's promises, streams with backpressure both ways, clients that
// leave, deadlines, lifespan.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { lapse, until } from "../support/deadline.ts";
import { readRecord } from "../support/json.ts";
import { FILE } from "../support/file-scope.ts";
import { isRunning, readAnonymousMemory } from "../support/processes.ts";
import { askOnce, fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";
import { isWritten } from "../support/notes.ts";

const MEGABYTE = 1024 * 1024;
const HELLO = /^hello \d+$/;
const ALONE = ["--workers", "1"];
let typhon: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  typhon = await startTyphon(FILE, ["asgi_raw:app", ...ALONE, "--root-path", "/shop"], {
    env: { GATE_DIR: folder },
  });
});

test("finds the interface by looking at the callable", async () => {
  assert.match((await getOnce(typhon, "/")).text, HELLO);
  assert.match(typhon.output.all, /interface=asgi/);
});

test("gives the whole scope", async () => {
  const client = await RawClient.connect(typhon);
  client.write(
    "GET /scope/a%20b%C3%A9?x=%31 HTTP/1.1\r\nHost: a.example\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n",
  );
  const { headers, extensions, ...scope } = readRecord((await client.readResponse()).text);
  assert(Array.isArray(headers) && Array.isArray(extensions));
  assert.partialDeepStrictEqual(scope, {
    type: "http",
    asgi: { version: "3.0", spec_version: "2.5" },
    http_version: "1.1",
    method: "GET",
    scheme: "http",
    root_path: "/shop",
    path: "/shop/scope/a bé",
    query_string: "x=%31",
    client: ["127.0.0.1", client.socket.localPort],
    server: ["127.0.0.1", typhon.port],
    state: { since: "startup" },
  });
  assert.deepEqual(
    headers.map(String).filter((field) => field.startsWith("x-two")),
    ["x-two,1", "x-two,2"],
  );
  assert.deepEqual(extensions, ["http.response.early_hint"]);
  client.destroy();
});

for (const size of [0, 5, 1500, 5000, 300_000])
  test(`gives back a body of ${size} bytes, in one piece and chunked`, async () => {
    const body = randomBytes(size);
    const whole = await askOnce(
      typhon,
      Buffer.concat([
        Buffer.from(`POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`),
        body,
      ]),
    );
    assert.deepEqual(whole.body, body);
    const chunk = size === 0 ? "" : `${size.toString(16)}\r\n`;
    const chunked = await askOnce(
      typhon,
      Buffer.concat([
        Buffer.from("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk),
        body,
        Buffer.from(size === 0 ? "0\r\n\r\n" : "\r\n0\r\n\r\n"),
      ]),
    );
    assert.deepEqual(chunked.body, body);
  });

test("asks for an expected body when the application wants it, and only then", async () => {
  const client = await RawClient.connect(typhon);
  const head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  client.write(`POST /echo ${head}`);
  assert.equal((await client.readHead()).status, 100);
  client.write("hello");
  assert.equal((await client.readResponse("POST")).text, "hello");
  client.write(`POST /ignore ${head}`);
  const answer = await client.readResponse("POST");
  assert.deepEqual([answer.status, answer.text], [200, "not read"]);
  assert.equal(fieldOf(answer, "connection"), "close");
  client.destroy();
});

test("a body that comes slowly holds nobody up", async () => {
  const slow = await RawClient.connect(typhon);
  slow.write("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
  for (let count = 0; count < 5; count += 1) assert.match((await getOnce(typhon, "/")).text, HELLO);
  slow.write("-last");
  assert.equal((await slow.readResponse("POST")).text, "first-last");
  slow.destroy();
});

test("runs many requests at once in one worker", async () => {
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => getOnce(typhon, "/meet?200")),
  );
  assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
});

test("sends each chunk as it comes", async () => {
  const client = await RawClient.connect(typhon);
  client.write("GET /steps HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readHead()).status, 200);
  for (let step = 1; step <= 3; step += 1) {
    assert.equal(String(await client.readChunk()), `step ${step}\n`);
    writeFileSync(join(folder, `step.${step}`), "");
  }
  assert.equal(await client.readChunk(), null);
  client.destroy();
});

test("an application that sends waits for a client that does not read", async () => {
  const slow = await RawClient.connect(typhon);
  slow.socket.pause();
  slow.write("GET /flood?64 HTTP/1.1\r\nHost: a\r\n\r\n");
  const sent = join(folder, "flood.sent");
  const read = (): number => (existsSync(sent) ? Number(readFileSync(sent, "utf8")) : 0);
  let last = -1;
  // Until it stands still.
  await until("it waits", async () => {
    const now = read();
    const stands = now > 0 && now === last;
    last = now;
    await lapse(200);
    return stands;
  });
  assert.ok(last < 16 * 64, `${last} blocks of ${16 * 64} were taken`);
  // Others are served meanwhile.
  assert.match((await getOnce(typhon, "/")).text, HELLO);
  slow.socket.resume();
  const answer = await slow.readResponse();
  assert.equal(answer.body.length, 64 * MEGABYTE);
  slow.destroy();
});

test("an upload waits for an application that does not read, and memory stays", async () => {
  const pids = [typhon.pid, ...typhon.workers().map(({ pid }) => pid)];
  const idle = pids.map(readAnonymousMemory);
  const client = await RawClient.connect(typhon);
  const size = 200 * MEGABYTE;
  client.write(`POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  const block = randomBytes(MEGABYTE);
  for (let sent = 0; sent < size; sent += MEGABYTE) await client.send(block);
  assert.equal((await client.readResponse("POST")).text, String(size));
  for (const [at, pid] of pids.entries()) {
    const grown = readAnonymousMemory(pid) - (idle[at] ?? 0);
    assert.ok(grown < 32 * MEGABYTE, `process ${at} grew by ${Math.round(grown / MEGABYTE)} MB`);
  }
  client.destroy();
});

test("tells the application that its client has left", async () => {
  const client = await RawClient.connect(typhon);
  client.write("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it runs", () => existsSync(join(folder, "gone.running")));
  client.socket.resetAndDestroy();
  await until("it was told", () => isWritten(join(folder, "gone.event")));
  assert.equal(readFileSync(join(folder, "gone.event"), "utf8"), "http.disconnect");
  await until("more of a stream raises OSError", () => existsSync(join(folder, "gone.send")));
});

test("faults of the application: 500 before the head, a cut after it, and the log says why", async () => {
  const raised = await getOnce(typhon, "/raises");
  assert.equal(raised.status, 500);
  await typhon.output.waitFor(/RuntimeError: raised before the head/);
  const client = await RawClient.connect(typhon);
  client.write("GET /raises-late HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readHead()).status, 200);
  assert.equal(String(await client.readChunk()), "begun");
  assert.equal(String(await client.readUntilCut()), "");
  await typhon.output.waitFor(/RuntimeError: raised after the head/);
  for (const path of ["/silent", "/body-first", "/bad-header"])
    assert.equal((await getOnce(typhon, path)).status, 500, path);
});

test("sends a file by its path", async () => {
  const answer = await getOnce(typhon, "/send-path");
  assert.match(answer.text, /^"""ASGI by hand/);
});

test("a deadline cancels the task; in a blocked loop it replaces the worker and tells where it was", async (t) => {
  const place = makeScratch(t);
  const late = await startTyphon(t, ["asgi_raw:app", ...ALONE, "--timeout", "0.5"], {
    env: { GATE_DIR: place },
  });
  const worker = late.workers()[0]?.pid ?? 0;
  assert.equal((await getOnce(late, "/forever")).status, 504);
  await until("the task was cancelled", () => existsSync(join(place, "cancelled")));
  await late.output.waitFor(/a request ran .*forever/s);
  assert.equal((await getOnce(late, "/")).text, `hello ${worker}`);
  assert.equal((await getOnce(late, "/blocked")).status, 504);
  await late.output.waitFor(/asgi_raw\.py.*blocked/);
  await until("the blocked worker is gone", () => !isRunning(worker));
  assert.match((await getOnce(late, "/")).text, HELLO);
});

test("without --timeout a request may wait; code that keeps the loop is interrupted, or its worker replaced", async (t) => {
  const place = makeScratch(t);
  const args = ["asgi_raw:app", ...ALONE, "--loop-timeout", "0.5"];
  const late = await startTyphon(t, args, { env: { GATE_DIR: place } });
  const worker = late.workers()[0]?.pid ?? 0;
  const client = await RawClient.connect(late);
  client.write("GET /hold?long HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it runs", () => existsSync(join(place, "long.running")));
  assert.equal((await getOnce(late, "/busy")).status, 500);
  const [report] = await late.output.waitFor(/event loop of worker 1 has not come back.*?busy/s);
  assert.match(report, /\(--loop-timeout\):\n\s*\|? *Thread "MainThread", request \S+, taken/);
  await late.output.waitFor(/Other requests by place:\n.*1 × \S*asgi_raw\.py:\d+ in \w+/);
  assert.match(late.output.all, /it blocked the event loop for longer than --loop-timeout/);
  writeFileSync(join(place, "long.go"), "");
  assert.equal((await client.readResponse()).text, "held long");
  client.destroy();
  assert.equal((await getOnce(late, "/")).text, `hello ${worker}`);
  // One long call into C is not interrupted.
  assert.equal((await getOnce(late, "/blocked")).status, 502);
  await until("the blocked worker is gone", () => !isRunning(worker));
  assert.match((await getOnce(late, "/")).text, HELLO);
});

test("running requests finish at the stop, and lifespan ends", async (t) => {
  const place = makeScratch(t);
  const ending = await startTyphon(t, ["asgi_raw:app", ...ALONE], { env: { GATE_DIR: place } });
  const client = await RawClient.connect(ending);
  client.write("GET /hold?last HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it runs", () => existsSync(join(place, "last.running")));
  ending.signal("SIGTERM");
  await ending.output.waitFor(/SIGTERM/);
  writeFileSync(join(place, "last.go"), "");
  assert.equal((await client.readResponse()).text, "held last");
  client.destroy();
  assert.deepEqual(await ending.exited, { code: 0, signal: null });
  assert.ok(existsSync(join(place, "shutdown")));
});

test("a failed startup is the start's failure, in the application's words", async () => {
  const run = await runTyphon(withDefaults(["asgi_raw:fails_to_start", ...ALONE]));
  assert.equal(run.code, 3);
  assert.match(run.stderr, /no database today/);
});

test("serves ASGI 2, and asyncio where it is asked to", async (t) => {
  const double = await startTyphon(t, ["asgi_raw:Double", ...ALONE, "--loop", "asyncio"]);
  assert.equal((await getOnce(double, "/")).text, "double");
});
