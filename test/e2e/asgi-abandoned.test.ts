// Clients that leave while an ASGI application works for them, and responses that end with their head: the
// application comes to its end, an endless one is ended, and no place is lost.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { gunzipSync } from "node:zlib";

import { lapse, until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { isRunning } from "../support/processes.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { APPS, makeScratch, type Scope } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

let folder: string;
let typhon: Typhon;

async function start(scope: Scope, place: string, app: string, ...args: string[]): Promise<Typhon> {
  const all = [`asgi_abandoned:${app}`, "--workers", "1", ...args];
  return await startTyphon(scope, all, { env: { GATE_DIR: place } });
}

before(async () => {
  folder = makeScratch(FILE);
  const options = "--concurrency 2 --access-log - --body-timeout 1".split(" ");
  typhon = await start(FILE, folder, "bare", ...options);
});

const request = (method: string, target: string, fields = ""): string =>
  `${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

/** Begins a request, and leaves when the application runs it. */
async function leave(server: Typhon, place: string, path: string, name: string): Promise<void> {
  const client = await RawClient.connect(server);
  client.write(request("GET", `${path}?name=${name}`));
  await until(`${name} runs`, () => existsSync(join(place, `${name}.running`)));
  client.socket.resetAndDestroy();
}

const release = (name: string): void => writeFileSync(join(folder, `${name}.go`), "");
const noted = async (name: string, place = folder): Promise<true> =>
  await until(name, () => existsSync(join(place, name)));

test("a handler and its background task come to their end after the client's reset", async () => {
  const from = typhon.output.all.length;
  // More of them than --concurrency.
  for (const name of ["a", "b", "c"]) await leave(typhon, folder, "/pay", name);
  // At the limit the oldest one makes room.
  await noted("a.cancelled");
  assert.equal((await getOnce(typhon, "/own-id")).text, "named");
  for (const name of ["b", "c"]) release(name);
  for (const name of ["b", "c"]) await noted(`${name}.receipt`);
  assert.doesNotMatch(typhon.output.all.slice(from), /ERROR|Traceback/);
});

test("an application that fails after its client has left is in the log", async () => {
  await leave(typhon, folder, "/fails", "late");
  release("late");
  await typhon.output.waitFor(/RuntimeError: late failed/);
});

for (const [method, status] of [
  ["HEAD", 200],
  ["GET", 204],
  ["GET", 304],
] as const)
  test(`${method} and ${status} of an endless stream end with the head, and hold no place`, async () => {
    const from = typhon.output.all.length;
    const client = await RawClient.connect(typhon);
    const names = Array.from({ length: 6 }, (_, number) => `${method}-${status}-${number}`);
    for (const name of names) {
      client.write(request(method, `/events?name=${name}&status=${status}`));
      const { fields, status: seen } = await client.readResponse(method);
      assert.equal(seen, status);
      assert.deepEqual(fields.get("transfer-encoding"), undefined);
    }
    assert.equal((await client.get("/own-id")).text, "named");
    for (const name of names) await noted(`${name}.ended`);
    assert.doesNotMatch(typhon.output.all.slice(from), /ERROR|Traceback/);
    client.destroy();
  });

test("a body may be slow, and a client that is silent for --body-timeout gets 408", async () => {
  const client = await RawClient.connect(typhon);
  const post = request("POST", "/upload", "Content-Length: 3\r\n");
  client.write(post);
  for (let byte = 0; byte < 3; byte += 1) {
    await lapse(600);
    client.write("x");
  }
  assert.equal((await client.readResponse("POST")).text, "3");
  client.write(`${post}x`);
  assert.equal((await client.readResponse("POST")).status, 408);
  client.destroy();
});

test("an application's own X-Request-ID stays, and is in the access log beside ours", async () => {
  const own = await getOnce(typhon, "/own-id?id=from-the-app");
  assert.equal(fieldOf(own, "x-request-id"), "from-the-app");
  const [line] = await typhon.output.waitFor(/.*id=from-the-app HTTP.*\n/);
  assert.match(line, / id=[0-9a-f]+-\w+ .* response_id=from-the-app$/m);
  const echoed = await getOnce(typhon, "/own-id?echo");
  const id = fieldOf(echoed, "x-request-id");
  const [echo] = await typhon.output.waitFor(/.*own-id\?echo HTTP.*\n/);
  assert.match(echo, new RegExp(` id=${id} `));
  assert.doesNotMatch(echo, /response_id/);
});

test("the access log has plausible times of a client that left and of a HEAD", async () => {
  for (const [, queue, run, total] of typhon.output.stdout.matchAll(
    /queue_ms=(\S+) app_ms=(\S+) total_ms=(\S+)/g,
  )) {
    if (queue === "-" || run === "-") continue;
    assert.ok(Number(queue) + Number(run) <= Number(total) + 1, `${queue} + ${run} > ${total}`);
  }
  assert.match(typhon.output.stdout, /"GET \/pay\?name=a HTTP\/1\.1" 499 0 /);
  assert.match(typhon.output.stdout, /"HEAD \/events\?.* 200 0 .* app_ms=\d+\.\d /);
});

test("what goes on is cancelled after --abandon-timeout, and its worker replaced if it resists", async (t) => {
  const place = makeScratch(t);
  const server = await start(t, place, "bare", "--abandon-timeout", "0.2");
  const worker = server.workers()[0]?.pid ?? 0;
  await leave(server, place, "/pay", "patient");
  await noted("patient.cancelled", place);
  assert.ok(isRunning(worker));
  await leave(server, place, "/pay", "stubborn");
  await noted("stubborn.cancelled", place);
  await server.output.waitFor(
    /went on for \d\.\d s after its client had left.*asgi_abandoned\.py/s,
  );
  await until("the worker is replaced", () => !isRunning(worker));
  assert.equal((await getOnce(server, "/own-id")).text, "named");
});

test("--cancel-on-disconnect cancels at once; files go through middleware, as no pathsend is offered", async (t) => {
  const place = makeScratch(t);
  const server = await start(t, place, "app", "--cancel-on-disconnect");
  await leave(server, place, "/pay", "gone");
  await noted("gone.cancelled", place);
  const source = readFileSync(join(APPS, "asgi_abandoned.py"));
  const client = await RawClient.connect(server);
  const packed = await client.get("/file", "Accept-Encoding: gzip\r\n");
  assert.equal(fieldOf(packed, "content-encoding"), "gzip");
  assert.deepEqual(gunzipSync(packed.body), source);
  assert.equal((await client.get("/read")).text, String(source.length));
  client.destroy();
});
