// A launcher in a process that may open no further file: a failed start, and no error in a callback. In a process
// of its own, whose limit is lowered and which opens files until none is left.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";

import { makeScratch } from "../support/scratch.ts";

const LAUNCHER = new URL("../../src/workers/launcher.ts", import.meta.url).href;
const WORKER_PROCESS = new URL("../../src/workers/worker-process.ts", import.meta.url).href;

/** Runs in the other process: one line for each attempt, with 0 … 12 descriptors left. */
const PROGRAM = `
import { closeSync, openSync, readdirSync } from "node:fs";
import { Launcher } from ${JSON.stringify(LAUNCHER)};
import { startTimeOf } from ${JSON.stringify(WORKER_PROCESS)};
const [folder] = process.argv.slice(1);
const failures = [];
process.on("uncaughtException", (error) => failures.push(String(error)));
const application = { env: {}, warmup: [], gunicornHooks: [], workers: 1, threads: 1, abandonTimeoutMs: 0 };
const options = { runFolders: [folder], python: "/bin/false", packageFolder: "/", application };
async function attempt() {
  const { promise, resolve } = Promise.withResolvers();
  const listener = { onLauncherEnd: (text) => resolve("ended: " + text), onLauncherLine: () => undefined };
  try {
    new Launcher(options, null, listener);
    return await promise;
  } catch (error) {
    return "thrown: " + error.message;
  }
}
const open = () => readdirSync("/proc/self/fd").length;
// Node opens some for its first child.
await attempt();
const before = open();
const fds = [];
for (;;) try { fds.push(openSync("/dev/null", "r")); } catch { break; }
const startTime = startTimeOf(process.pid);
const outcomes = [];
while (outcomes.length <= 12) {
  outcomes.push(await attempt());
  // An event of a child that was not spawned comes in the next turn.
  await new Promise((next) => setImmediate(next));
  closeSync(fds.pop());
}
for (const fd of fds) closeSync(fd);
console.log(JSON.stringify({ failures, outcomes, startTime, lost: open() - before, left: readdirSync(folder) }));
`;

interface Report {
  readonly failures: readonly string[];
  readonly outcomes: readonly string[];
  /** Of a process that runs. */
  readonly startTime: unknown;
  /** Descriptors that are never closed. */
  readonly lost: number;
  readonly left: readonly string[];
}

test("without descriptors a launcher fails to start in its constructor, leaves no folder, and throws nowhere else", (t) => {
  const folder = makeScratch(t);
  const command = `ulimit -n 60; exec "$0" --input-type=module -e "$1" -- "$2"`;
  const output = execFileSync("sh", ["-c", command, process.execPath, PROGRAM, folder], {
    encoding: "utf8",
  });
  const { failures, outcomes, startTime, lost, left }: Report = JSON.parse(output);
  assert.deepEqual(failures, []);
  assert.match(outcomes[0] ?? "", /^thrown: EMFILE/);
  assert.match(
    outcomes.at(-1) ?? "",
    /^ended/,
    "with 12 descriptors it starts, and ends like its program",
  );
  assert.equal(startTime, null, "a process that cannot be seen has not ended");
  assert.equal(lost, 0);
  assert.deepEqual(left, []);
  assert.deepEqual(readdirSync(folder), []);
});
