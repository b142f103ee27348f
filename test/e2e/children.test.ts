// Threads and processes of an application: they work as under any other server, and inherit none of the
// worker's descriptors, so that they neither keep a connection open nor hide a worker's end.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { until } from "../support/deadline.ts";
import { listDescriptors } from "../support/processes.ts";
import { getOnce } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { isWritten } from "../support/notes.ts";

let typhon: Typhon;
/** Descriptors of the worker itself. */
let own: ReadonlySet<string>;

before(async () => {
  typhon = await startTyphon(FILE, ["children:app", "--workers", "1", "--threads", "2"]);
  // Descriptors that the test program itself inherited go through to every process.
  const inherited = new Set(listDescriptors(process.pid));
  const held = (await listOf("/own")).filter((entry) => Number(entry.split(" ")[0]) > 2);
  own = new Set(
    held.map(targetOf).filter((target) => !inherited.has(target) && /\[|:/.test(target)),
  );
  assert(own.size > 0, "the worker has descriptors of its own");
});

async function listOf(path: string): Promise<string[]> {
  const answer = await getOnce(typhon, path);
  assert.equal(answer.status, 200, `${answer.text}\n${typhon.output.all}`);
  const parsed: unknown = JSON.parse(answer.text);
  assert(Array.isArray(parsed));
  return parsed.map(String);
}

/** "9 pipe:[123]" → "pipe:[123]". */
function targetOf(entry: string): string {
  return entry.slice(entry.indexOf(" ") + 1);
}

/** The descriptors of a child that are the worker's own. */
function oursAmong(descriptors: readonly string[]): string[] {
  return descriptors.filter((entry) => Number(entry.split(" ")[0]) > 2 && own.has(targetOf(entry)));
}

test("a thread that was started at import runs in the worker", async () => {
  assert.deepEqual(await listOf("/thread"), ["ticking"]);
});

test("a worker has real pipes for its output and /dev/null for its input", async () => {
  const held = await listOf("/own");
  assert.equal(held[0], "0 /dev/null");
  for (const number of [1, 2]) assert.match(held[number] ?? "", /^\d (?:pipe:|\/)/);
});

test("a forked child holds none of our descriptors", async () => {
  assert.deepEqual(oursAmong(await listOf("/fork")), []);
});

test("a child of multiprocessing (fork) holds none of our descriptors", async () => {
  assert.deepEqual(oursAmong(await listOf("/multiprocessing-fork")), []);
});

test("a child of multiprocessing (spawn) holds none of our descriptors", async () => {
  assert.deepEqual(oursAmong(await listOf("/multiprocessing-spawn")), []);
});

test("a child of subprocess inherits none of our descriptors, even without close_fds", async () => {
  assert.deepEqual(oursAmong(await listOf("/subprocess")), []);
});

test("a pool of multiprocessing works", async () => {
  assert.deepEqual(await listOf("/pool"), ["0", "1", "4", "9", "16"]);
});

test("a child ends by SIGTERM", async () => {
  assert.deepEqual(await listOf("/terminate"), ["-15"]);
});

test("a program that the application starts inherits no blocked and no odd ignored signals", async () => {
  for (const line of await listOf("/signals")) {
    if (!line.startsWith("child ")) continue;
    const mask = BigInt(`0x${line.split(/\s+/).at(-1)}`);
    assert.equal(mask, 0n, line);
  }
});

test("a daemon neither keeps a connection open nor the worker's end from being known", async (t) => {
  const note = join(makeScratch(t), "daemon.pid");
  await listOf(`/daemon?${note}`);
  await until("the daemon runs", () => isWritten(note));
  const daemon = Number(readFileSync(note, "utf8"));
  t.after(() => {
    try {
      process.kill(daemon, "SIGKILL");
    } catch {
      // The server's end may have ended it.
    }
  });
  const held = listDescriptors(daemon).filter((target) => own.has(target));
  assert.deepEqual(held, []);
  const worker = typhon.workers().find(({ pid }) => pid !== daemon);
  assert(worker !== undefined);
  process.kill(worker.pid, "SIGKILL");
  assert.deepEqual(await listOf("/thread"), ["ticking"]);
  process.kill(daemon, "SIGKILL");
});
