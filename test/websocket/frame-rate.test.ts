// Frames in a second. Time is given.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FrameRate } from "../../src/websocket/frame-rate.ts";

test("takes as many as may come in a second, and as many in the next", () => {
  const rate = new FrameRate(3);
  const takes = (at: number): boolean => rate.takes(at);
  assert.deepEqual([5000, 5100, 5200, 5300].map(takes), [true, true, true, false]);
  assert.deepEqual([6000, 6001, 6999, 6999].map(takes), [true, true, true, false]);
});
