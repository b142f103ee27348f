// The coarse clock: it ticks until it is stopped.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CoarseClock, TICK_MS } from "../../src/net/coarse-clock.ts";

test("ticks every TICK_MS, once for a clock started twice, and not after its stop", (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const clock = new CoarseClock();
  let first = 0;
  let second = 0;
  clock.start(() => (first += 1));
  context.mock.timers.tick(TICK_MS * 2);
  clock.start(() => (second += 1));
  context.mock.timers.tick(TICK_MS * 3);
  clock.stop();
  context.mock.timers.tick(TICK_MS * 5);
  clock.stop();
  assert.deepEqual([first, second], [2, 3]);
});
