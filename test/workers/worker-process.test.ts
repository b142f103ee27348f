// A real process behind a worker, with the files that a launcher would have made.

import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { it, type TestContext } from "node:test";

import { PageFlag, SLOT_BYTES } from "../../src/workers/page.ts";
import { RunDirectory } from "../../src/workers/run-directory.ts";
import { startTimeOf, WorkerProcess } from "../../src/workers/worker-process.ts";
import { until } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";

interface Opened {
  readonly child: ChildProcess;
  readonly process: WorkerProcess;
  /** Resolves when its channel is connected. */
  readonly connection: Promise<unknown>;
  /** Signals that the launcher is asked to send. */
  readonly signals: number[];
  readonly lines: string[];
  /** Writes to its standard error. */
  readonly print: (text: string) => void;
}

async function open(t: TestContext, notes = Buffer.alloc(2 * SLOT_BYTES)): Promise<Opened> {
  const directory = new RunDirectory([makeScratch(t)], 0);
  const file = (name: string): string => directory.file(name);
  execFileSync("mkfifo", [file("out"), file("err"), file("stacks")]);
  const writers = ["out", "err", "stacks"].map((name) => openSync(file(name), constants.O_RDWR));
  writeFileSync(file("notes"), notes);
  const server = createServer();
  server.listen(file("channel"));
  await once(server, "listening");
  const connection = once(server, "connection");
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const signals: number[] = [];
  const lines: string[] = [];
  const signal = (number: number): void => void signals.push(number);
  const process = new WorkerProcess(child.pid ?? 0, directory, signal, {
    onFrame: () => undefined,
    onChannelEnd: () => undefined,
    onOutput: (stream, text) => lines.push(`${stream} ${text.toString()}`) > 0,
  });
  directory.remove();
  t.after(() => {
    child.kill("SIGKILL");
    process.close();
    for (const writer of writers) closeSync(writer);
    server.close();
  });
  const print = (text: string): void => void writeSync(writers[1] ?? 0, text);
  return { child, process, connection, signals, lines, print };
}

it("needs its directory only while it opens: its output is told, its channel connected", async (t) => {
  const { lines, print, connection } = await open(t);
  await connection;
  print("oh\n");
  await until("a line", () => lines.length === 1);
  assert.deepEqual(lines, ["stderr oh\n"]);
});

it("opens nothing if a file is missing", (t) => {
  const directory = new RunDirectory([makeScratch(t)], 0);
  const ears = {
    onFrame: () => undefined,
    onChannelEnd: () => undefined,
    onOutput: () => true,
  };
  assert.throws(() => new WorkerProcess(1, directory, () => undefined, ears), { code: "ENOENT" });
});

it("reads the requests of the slots in use, none from an empty slot, a fence, or after the end", async (t) => {
  const notes = Buffer.alloc(3 * SLOT_BYTES);
  notes.writeUInt32LE(70, 8);
  notes.writeUInt32LE(71, SLOT_BYTES + 8);
  notes.writeUInt16LE(PageFlag.FENCE, SLOT_BYTES + 6);
  notes.writeUInt32LE(72, 2 * SLOT_BYTES + 8);
  const { process } = await open(t, notes);
  const ids = (slots: number): number[] => process.readNotes(slots).map(({ id }) => id);
  assert.deepEqual(ids(2), [70]);
  assert.deepEqual(ids(3), [70, 72]);
  process.close();
  assert.deepEqual(ids(3), []);
});

it("is signalled by the launcher, and by the front when that has died", async (t) => {
  const { child, process, signals } = await open(t);
  process.signal(9);
  assert.deepEqual(signals, [9]);
  assert(!process.hasExited());
  process.orphan();
  const exited = once(child, "exit");
  process.signal(15);
  assert.deepEqual((await exited)[1], "SIGTERM");
  assert.deepEqual(signals, [9]);
  assert(process.hasExited());
  // Its number may belong to another process by now.
  process.signal(9);
});

it("has a size in memory while it lives", async (t) => {
  const { child, process } = await open(t);
  assert(process.residentBytes() >= 4096);
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  assert.equal(process.residentBytes(), 0);
});

it("knows a process by its start: none has none", () => {
  assert.match(startTimeOf(process.pid) ?? "", /^\d+$/);
  assert.equal(startTimeOf(4_194_305), "");
});
