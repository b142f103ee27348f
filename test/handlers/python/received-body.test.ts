// Bodies under WSGI when there is no room: which one is given up, what its client gets, and that all is given
// back. A real connection and real files; the worker is the test.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { PageFlag } from "../../../src/workers/page.ts";
import { until } from "../../support/deadline.ts";
import { RawClient } from "../../support/raw-client.ts";
import { makeOpenFiles } from "../../support/temp-files.ts";
import { HandWorker } from "../hand-worker.ts";

const KB = 1000;
/** The budget of a HandWorker for bodies in memory. */
const MEMORY_BYTES = 4_000_000;

async function send(worker: HandWorker, length: number, sent: number): Promise<RawClient> {
  const client = await RawClient.connect(worker);
  client.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`);
  client.write(Buffer.alloc(sent, "x"));
  return client;
}

function names(worker: HandWorker): string[] {
  return readdirSync(worker.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function start(t: TestContext, options: Parameters<typeof HandWorker.start>[1]) {
  return await HandWorker.start(t, { interface: "wsgi", ...options });
}

test("a body without room takes the place of a slow one, which gets 408", async (t) => {
  // Every body has been coming for 20 s, as the folder sees it.
  const tempNow = (): number => performance.now() + 20_000;
  const worker = await start(t, { maxTempBytes: 1000 * KB, tempNow });
  const slow = await send(worker, 800 * KB, 300 * KB);
  await until("the slow body has a file", () => names(worker).length === 1);
  const quick = await send(worker, 900 * KB, 900 * KB);
  assert.equal((await slow.readResponse("POST")).status, 408);
  const { flags, id } = await worker.take();
  assert.equal(flags, PageFlag.BODY_IN_FILE);
  worker.head(id, "200 OK", "", { isEnd: true });
  assert.equal((await quick.readResponse("POST")).status, 200);
  await until("no file is left", () => names(worker).length === 0);
  for (const client of [slow, quick]) client.destroy();
});

test("a body without room gets 507 where no other is slow, and the others go on", async (t) => {
  const worker = await start(t, { maxTempBytes: 1000 * KB });
  const first = await send(worker, 900 * KB, 700 * KB);
  await until("the first body is in a file", () =>
    names(worker).some((path) => statSync(path).size === 700 * KB),
  );
  const second = await send(worker, 700 * KB, 700 * KB);
  assert.equal((await second.readResponse("POST")).status, 507);
  assert.deepEqual(worker.faults, ["the temporary files are full"]);
  first.write(Buffer.alloc(200 * KB, "x"));
  assert.equal((await worker.take()).flags, PageFlag.BODY_IN_FILE);
  for (const client of [first, second]) client.destroy();
});

test("when memory is used up, a body gets a file at once, but a few bytes stay in memory", async (t) => {
  const openFiles = makeOpenFiles(8);
  const worker = await start(t, { openFiles });
  worker.context.budget.take(MEMORY_BYTES);
  const clients: RawClient[] = [];
  // Two files have room in the table.
  for (let count = 0; count < 4; count += 1) clients.push(await send(worker, 9 * KB, 5 * KB));
  await until("the others have their response", () => {
    const answered = clients.filter(({ waiting }) => waiting > 0).length;
    return answered + names(worker).length === clients.length && answered > 0;
  });
  const small = await send(worker, 4 * KB, 4 * KB);
  assert.equal((await worker.take()).flags & PageFlag.BODY_IN_FILE, 0);
  for (const client of [...clients, small]) client.destroy();
  await until("no file is left", () => names(worker).length === 0);
  assert.ok(openFiles.mayOpen());
});

test("a folder in the place of a body's file fails nothing when the client leaves", async (t) => {
  const worker = await start(t, {});
  const client = await send(worker, 900 * KB, 400 * KB);
  const path = await until("the body has a file", () => names(worker)[0]);
  rmSync(path);
  mkdirSync(path);
  client.destroy();
  await until("the request has ended", () => worker.finished.length === 1);
  const next = await send(worker, 400 * KB, 400 * KB);
  assert.equal((await worker.take()).flags, PageFlag.BODY_IN_FILE);
  next.destroy();
});
