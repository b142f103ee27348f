// Frames counted second by second. Time is given.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { FrameRate } from "../../src/websocket/frame-rate.ts";

function countAll(limit: number, times: readonly number[]): boolean[] {
  const rate = new FrameRate(limit);
  return times.map((now) => rate.count(now));
}

test("takes as many frames as the limit in a second, and as many in the next", () => {
  assert.deepEqual(countAll(3, [5000, 5100, 5200, 5300, 6000, 6001, 6999, 6999]), [
    true,
    true,
    true,
    false,
    true,
    true,
    true,
    false,
  ]);
});

test("a second begins with its first frame and lasts 1,000 ms, not one less", () => {
  assert.deepEqual(countAll(1, [0, 999, 1000, 1999, 2000]), [true, false, true, false, true]);
  assert.deepEqual(countAll(1, [7.5, 1007.4, 1007.5]), [true, false, true]);
});

test("a refused frame does not lengthen the second in which it came", () => {
  assert.deepEqual(countAll(1, [0, 500, 900, 1000]), [true, false, false, true]);
});

test("a pause makes no credit for later", () => {
  assert.deepEqual(countAll(2, [0, 60_000, 60_000, 60_000]), [true, true, true, false]);
});

test("a clock that begins anywhere will do, and a limit of 0 takes nothing", () => {
  assert.deepEqual(countAll(1, [-5000, -4500, -4000]), [true, false, true]);
  assert.deepEqual(countAll(0, [0, 1000]), [false, false]);
});

test("a burst is refused from its first frame beyond the limit, and each counts on its own", () => {
  const refused = countAll(1000, Array<number>(10_000).fill(3)).indexOf(false);
  assert.equal(refused, 1000);
  const [one, other] = [new FrameRate(1), new FrameRate(1)];
  assert.deepEqual([one.count(0), other.count(0), one.count(0)], [true, true, false]);
});

test("never takes more than twice the limit in any 1,000 ms, nor refuses the first of a second (property)", () => {
  const gaps = fc.array(fc.oneof(fc.nat(5), fc.nat(1500)), { maxLength: 200 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 20 }), (list, limit) => {
      let now = 0;
      const times = list.map((gap) => (now += gap));
      const taken = countAll(limit, times);
      for (const [index, at] of times.entries()) {
        const inWindow = times.filter((time, i) => time >= at && time < at + 1000 && taken[i]);
        assert.ok(inWindow.length <= 2 * limit);
        const previous = times[index - 1];
        if (previous === undefined || at - previous >= 1000) assert.ok(taken[index]);
      }
    }),
  );
});
