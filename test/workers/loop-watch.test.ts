// When an event loop is asked, reported and given up. Time is given.

import assert from "node:assert/strict";
import { it } from "node:test";

import { LoopWatch, type LoopStep } from "../../src/workers/loop-watch.ts";

const TIMEOUT_MS = 20_000;
const TICK_MS = 100;
const START = 1_000_000;

/** Ticks every 100 ms from `from` to `to`, both after START; gives the steps and when each was taken. */
function run(
  watch: LoopWatch,
  from: number,
  to: number,
  timeoutMs = TIMEOUT_MS,
): (readonly [ms: number, step: LoopStep])[] {
  const steps: (readonly [number, LoopStep])[] = [];
  for (let ms = from; ms <= to; ms += TICK_MS) {
    const step = watch.tick(START + ms, timeoutMs);
    if (step !== "none") steps.push([ms, step]);
  }
  return steps;
}

it("asks a loop that answers every five seconds, and nothing more", () => {
  const watch = new LoopWatch();
  assert.deepEqual(run(watch, 0, 5000), [[5000, "ask"]]);
  watch.answered(START + 5010);
  assert.deepEqual(run(watch, 5100, 10_100), [[10_100, "ask"]]);
  assert(!watch.isLost);
});

it("asks more often where the timeout is short", () => {
  assert.deepEqual(run(new LoopWatch(), 0, 300, 1000), [[300, "ask"]]);
});

it("reports a loop that does not answer, and gives it up a second later", () => {
  const watch = new LoopWatch();
  assert.deepEqual(run(watch, 0, 60_000), [
    [5000, "ask"],
    [25_000, "interrupt"],
    [26_000, "replace"],
  ]);
  assert.equal(watch.blockedMs, TIMEOUT_MS);
  assert(watch.isLost);
  watch.answered(START + 60_000);
  assert(watch.isLost, "its worker is on its way out");
});

it("lets a loop go on that comes back when it is interrupted", () => {
  const watch = new LoopWatch();
  assert.equal(run(watch, 0, 25_500).at(-1)?.[1], "interrupt");
  watch.answered(START + 25_600);
  assert.deepEqual(run(watch, 25_700, 30_600), [[30_600, "ask"]]);
  assert(!watch.isLost);
});

it("does not count the time in which the front itself was stopped", () => {
  const watch = new LoopWatch();
  run(watch, 0, 6000);
  assert.deepEqual(run(watch, 3_600_000, 3_600_500), [], "an answer may wait to be read");
  watch.answered(START + 3_600_600);
  assert.deepEqual(run(watch, 3_600_700, 3_605_600), [[3_605_600, "ask"]]);
});
