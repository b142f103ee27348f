// How long a start waits after one that went badly.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../src/workers/backoff.ts";

/** When the next start may be, in tenths of a second after `now`, at most 400. */
function pauseOf(backoff: Backoff, now: number): number {
  let tenths = 0;
  while (tenths < 400 && !backoff.mayStart(now + tenths / 10)) tenths += 1;
  return tenths;
}

test("the first that dies early is replaced at once, the others later and later, at most 30 s", () => {
  const backoff = new Backoff();
  const pauses = Array.from({ length: 11 }, (_, at) => {
    backoff.note(0.1, 0, at * 1000);
    return pauseOf(backoff, at * 1000);
  });
  assert.deepEqual(pauses, [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  assert.equal(backoff.pause(10_010), 20);
  assert.equal(backoff.pause(11_000), 0);
});

test("who has lived for a while, or has answered requests for a moment, makes nobody wait", () => {
  const backoff = new Backoff();
  for (let count = 0; count < 5; count += 1) backoff.note(0.1, 0, 0);
  backoff.note(6, 0, 1000);
  backoff.note(0.1, 0, 1000);
  assert.equal(pauseOf(backoff, 1000), 0);
  for (let count = 0; count < 5; count += 1) backoff.note(0.6, 20, 2000);
  assert.equal(pauseOf(backoff, 2000), 0);
  for (let count = 0; count < 3; count += 1) backoff.note(0.2, 20, 3000);
  assert.equal(pauseOf(backoff, 3000), 4);
});
