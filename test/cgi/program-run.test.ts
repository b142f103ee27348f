// One run without a launcher: its time limits, and outputs that cannot be read.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";

import { ProgramRun } from "../../src/cgi/program-run.ts";
import { RecordedRun } from "../support/cgi-launcher.ts";
import { FileLimit } from "../support/file-count.ts";
import { makeScratch } from "../support/scratch.ts";

interface World {
  readonly run: ProgramRun;
  readonly heard: RecordedRun;
  /** What the launcher has been told; "hang" and "over" among it. */
  readonly said: string[];
  readonly count: FileLimit;
}

function makeRun(): World {
  const said: string[] = [];
  const count = new FileLimit(1);
  const heard = new RecordedRun(true);
  const port = {
    count,
    say: (op: string) => void said.push(op),
    onHang: () => void said.push("hang"),
    onOver: () => void said.push("over"),
  };
  return { run: new ProgramRun(1, port, heard), heard, said, count };
}

const EXITED = { code: 0, signal: null, failure: "" };

test("a launcher that starts nothing for 30 s hangs; one that has started does not", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const hanging = makeRun();
  const started = makeRun();
  t.mock.timers.tick(29_999);
  started.run.onStarted(0, "/no/such", false);
  assert.deepEqual(hanging.said, []);
  t.mock.timers.tick(1);
  assert.deepEqual(hanging.said, ["hang"]);
  assert(!started.said.includes("hang"));
  hanging.run.abandon("the launcher has ended");
  started.run.abandon("");
});

test("a program that cannot be killed is given up after 10 s", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { run, heard, said } = makeRun();
  run.onStarted(0, "/no/such", false);
  run.kill();
  t.mock.timers.tick(9999);
  assert.deepEqual(heard.events, ["started"]);
  t.mock.timers.tick(1);
  assert.deepEqual(heard.events, ["started", "end"]);
  assert.match((await heard.ended).failure, /could not be killed/);
  // The launcher may report its end at last.
  run.onEnded(EXITED);
  run.kill();
  assert.deepEqual(said, ["kill", "over"]);
});

test("an output that cannot be opened ends the run, and the launcher closes it", async () => {
  const { run, heard, said, count } = makeRun();
  run.onStarted(0, "/no/such", false);
  assert(!count.mayOpen());
  assert.match((await heard.ended).failure, /^its output cannot be read: .*ENOENT/);
  assert.deepEqual(said, ["opened", "kill", "over"]);
  assert(count.mayOpen());
});

test("an output that no socket can have ends the run and is closed", async (t) => {
  const { run, heard, count } = makeRun();
  run.onStarted(0, makeScratch(t), false);
  assert.match((await heard.ended).failure, /^its output cannot be read/);
  await turns(() => count.mayOpen());
});

test("a run that is ended while its output is opened closes it", async (t) => {
  const { path, write } = makeFifo(t);
  const { run, heard, said, count } = makeRun();
  run.onStarted(0, path, false);
  run.end();
  run.onEnded(EXITED);
  write("late");
  assert.deepEqual(await heard.ended, EXITED);
  await turns(() => count.mayOpen());
  assert.deepEqual(said, ["end", "over", "opened"]);
  assert.deepEqual(heard.events, ["started", "end"]);
});

test("a process that has the output is waited for while the client takes nothing, then for 2 s", async (t) => {
  const { path, write } = makeFifo(t);
  const { run, heard, said } = makeRun();
  run.pause();
  run.onStarted(0, path, false);
  await turns(() => said.includes("opened"));
  t.mock.timers.enable({ apis: ["setTimeout"] });
  write("one");
  run.onEnded(EXITED);
  t.mock.timers.tick(60_000);
  assert.deepEqual(heard.events, ["started"]);
  run.resume();
  await turns(() => heard.output === "one");
  t.mock.timers.tick(1999);
  write("two");
  await turns(() => heard.output === "onetwo");
  t.mock.timers.tick(1999);
  // Bytes that are there when the time is over count.
  write("three");
  t.mock.timers.tick(1);
  await turns(() => heard.output === "onetwothree");
  assert.deepEqual(heard.events, ["started", "output"]);
  t.mock.timers.tick(2000);
  assert.deepEqual(await heard.ended, EXITED);
  assert.deepEqual(heard.events, ["started", "output", "output end", "end"]);
});

/** A FIFO that some process has open for writing until the end of the test. */
function makeFifo(t: TestContext): { path: string; write: (text: string) => void } {
  const path = join(makeScratch(t), "output");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR);
  t.after(() => closeSync(fd));
  return { path, write: (text) => void writeSync(fd, text) };
}

/** Waits for something while the clock stands still. */
async function turns(look: () => boolean): Promise<void> {
  for (let turn = 0; !look(); turn++) {
    assert(turn < 100_000, "it does not happen");
    await setImmediate();
  }
}
