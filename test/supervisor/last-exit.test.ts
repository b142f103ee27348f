// The end of a process whose pool threads do not return. Real processes, and FIFOs without a reader.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

import { makeScratch } from "../support/scratch.ts";

const MODULE = JSON.stringify(new URL("../../src/supervisor/last-exit.ts", import.meta.url).href);

async function exitOf(script: string, fifo: string): Promise<unknown[]> {
  const program = `
    import { open, stat } from "node:fs";
    import { exitPastBusyThreads } from ${MODULE};
    process.once("exit", exitPastBusyThreads);
    const fifo = ${JSON.stringify(fifo)};
    ${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  return await once(child, "exit");
}

test("a process ends with its code although all threads of the pool are blocked", async (t) => {
  const fifo = join(makeScratch(t), "fifo");
  execFileSync("mkfifo", [fifo]);
  const blocked = `for (let count = 0; count < 6; count += 1) open(fifo, "w", () => {});`;
  assert.deepEqual(await exitOf(`${blocked} setImmediate(() => process.exit(7));`, fifo), [
    7,
    null,
  ]);
  assert.deepEqual(await exitOf(`${blocked} setImmediate(() => process.exit(0));`, fifo), [
    0,
    null,
  ]);
});

test("a process without a busy thread ends as usual: its other listeners run", async (t) => {
  const fifo = join(makeScratch(t), "none");
  const script = `
    process.once("exit", () => { process.exitCode = 9; });
    stat("/", () => setImmediate(() => process.exit(7)));`;
  assert.deepEqual(await exitOf(script, fifo), [9, null]);
});
