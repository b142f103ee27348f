// How long a start waits after one that went badly.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../src/processes/backoff.ts";

/** When the next start may be, in milliseconds after `now`, to 100 ms, at most 40 s. */
function pauseOf(backoff: Backoff, now: number): number {
  let pauseMs = 0;
  while (pauseMs < 40_000 && !backoff.mayStart(now + pauseMs)) pauseMs += 100;
  return pauseMs;
}

test("the first that dies early is replaced at once, the others later and later, at most 30 s", () => {
  const backoff = new Backoff();
  const pauses = Array.from({ length: 11 }, (_, at) => {
    backoff.note(100, 0, at * 1_000_000);
    return pauseOf(backoff, at * 1_000_000);
  });
  assert.deepEqual(pauses, [0, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  assert.equal(backoff.pauseMs(10_010_000), 20_000);
  assert.equal(backoff.pauseMs(11_000_000), 0);
});

test("who has lived for a while, or has answered requests for a moment, makes nobody wait", () => {
  const backoff = new Backoff();
  for (let count = 0; count < 5; count += 1) backoff.note(100, 0, 0);
  backoff.note(6000, 0, 1_000_000);
  backoff.note(100, 0, 1_000_000);
  assert.equal(pauseOf(backoff, 1_000_000), 0);
  for (let count = 0; count < 5; count += 1) backoff.note(600, 20, 2_000_000);
  assert.equal(pauseOf(backoff, 2_000_000), 0);
  for (let count = 0; count < 3; count += 1) backoff.note(200, 20, 3_000_000);
  assert.equal(pauseOf(backoff, 3_000_000), 400);
});
