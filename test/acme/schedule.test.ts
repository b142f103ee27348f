// When certificates are renewed and failed orders tried again, by a clock that the tests move.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import {
  isValidAt,
  isWindowDue,
  issuerOf,
  nextTryAt,
  NO_ATTEMPTS,
  planRenewal,
  renewalAt,
  windowAskedAt,
  withFailure,
  withSuccess,
  withTry,
  type Attempts,
} from "../../src/acme/schedule.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 10, 1);

function life(days: number) {
  return { notBefore: START, notAfter: START + days * DAY };
}

function fail(
  attempts: Attempts,
  now: number,
  more: { retryAfterMs?: number; issuers?: number } = {},
) {
  return withFailure(withTry(attempts, now), {
    now,
    random: 0,
    retryAfterMs: more.retryAfterMs ?? 0,
    issuers: more.issuers ?? 1,
  });
}

for (const days of [6, 45, 90])
  test(`without a window a certificate of ${days} days is renewed after two thirds of them`, () => {
    assert.equal(renewalAt(life(days), null, START), START + (days * DAY * 2) / 3);
  });

test("a moment in the window is chosen once, and anew when the window moves (RFC 9773 §4.2)", () => {
  const window = { start: START + DAY, end: START + 3 * DAY };
  const plan = planRenewal(window, null, 0.25);
  assert.deepEqual(plan, { ...window, moment: START + 1.5 * DAY });
  assert.equal(planRenewal(window, plan, 0.9), plan);
  const moved = planRenewal({ start: START, end: START + DAY }, plan, 0.5);
  assert.equal(moved?.moment, START + DAY / 2);
});

test("a window that ends before it starts is none", () => {
  assert.equal(planRenewal({ start: START, end: START }, null, 0), null);
  assert.equal(planRenewal({ start: Number.NaN, end: START }, null, 0), null);
});

test("a window that is over means now, one beyond the lifetime does not let the certificate expire", () => {
  const over = { start: START - DAY, end: START - HOUR, moment: START - 2 * HOUR };
  assert(renewalAt(life(90), over, START) <= START + 6 * HOUR);
  const never = { start: START + 900 * DAY, end: START + 901 * DAY, moment: START + 900 * DAY };
  assert.equal(renewalAt(life(90), never, START), START + 81 * DAY);
});

test("a certificate that has just come is not renewed for 6 hours, whatever the window says", () => {
  const over = { start: START - DAY, end: START - HOUR, moment: START - 2 * HOUR };
  assert.equal(renewalAt(life(90), over, START), START + 6 * HOUR);
  const hour = { notBefore: START, notAfter: START + HOUR };
  assert.equal(renewalAt(hour, over, START), START + 6 * MINUTE);
});

test("the authority is asked for its window as it says, from once a minute to once a day", () => {
  assert.equal(windowAskedAt(START, 3 * HOUR), START + 3 * HOUR);
  assert.equal(windowAskedAt(START, 0), START + MINUTE);
  assert.equal(windowAskedAt(START, 99 * DAY), START + DAY);
  assert.equal(windowAskedAt(START, null), START + 6 * HOUR);
  assert(isWindowDue(START, START) && !isWindowDue(START + HOUR, START));
  assert(isWindowDue(START + 30 * DAY, START), "the clock was set back");
});

test("pauses grow from 1 minute to 6 hours", () => {
  let attempts = NO_ATTEMPTS;
  const pauses = Array.from({ length: 11 }, (_, at) => {
    const now = START + at * DAY;
    attempts = fail(attempts, now);
    return (nextTryAt(attempts, now) - now) / MINUTE;
  });
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
});

test("a pause has jitter, and never more than 6 hours", () => {
  const late = { now: START, random: 0.999, retryAfterMs: 0, issuers: 1 };
  assert(withFailure(NO_ATTEMPTS, late).retryAt > START + 1.2 * MINUTE);
  const many = withFailure({ ...NO_ATTEMPTS, failures: 1000 }, late);
  assert.equal(many.retryAt, START + 6 * HOUR);
});

test("no more than five tries begin in an hour", () => {
  let attempts = NO_ATTEMPTS;
  for (let count = 0; count < 5; count += 1) attempts = withTry(attempts, START + count * MINUTE);
  assert.equal(nextTryAt(attempts, START + 5 * MINUTE), START + HOUR);
  // A success does not make the hour's tries undone.
  assert.equal(nextTryAt(withSuccess(attempts), START + 5 * MINUTE), START + HOUR);
  assert(nextTryAt(attempts, START + HOUR) <= START + HOUR);
});

test("Retry-After is honoured, up to a week", () => {
  assert.equal(fail(NO_ATTEMPTS, START, { retryAfterMs: 3 * HOUR }).retryAt, START + 3 * HOUR);
  assert.equal(fail(NO_ATTEMPTS, START, { retryAfterMs: 900 * DAY }).retryAt, START + 7 * DAY);
  assert.equal(fail(NO_ATTEMPTS, START, { retryAfterMs: 1000 }).retryAt, START + MINUTE);
});

test("the next issuer is tried after three failures, then the first one again", () => {
  let attempts = NO_ATTEMPTS;
  const issuers = Array.from({ length: 8 }, (_, at) => {
    const issuer = issuerOf(attempts, 2);
    attempts = fail(attempts, START + at * DAY, { issuers: 2 });
    return issuer;
  });
  assert.deepEqual(issuers, [0, 0, 0, 1, 1, 1, 0, 0]);
  assert.equal(issuerOf(withSuccess(attempts), 2), 0);
});

test("an issuer that asks to wait for days is left at once, if another one was not asked", () => {
  const left = fail(NO_ATTEMPTS, START, { issuers: 2, retryAfterMs: 3 * DAY });
  assert.equal(issuerOf(left, 2), 1);
  assert(left.retryAt < START + HOUR);
  // Both ask for days: the first one's turn comes after them.
  const both = fail(left, START + HOUR, { issuers: 2, retryAfterMs: 3 * DAY });
  assert.equal(both.retryAt, START + HOUR + 3 * DAY);
});

test("a clock that is set back ends a pause that it would make endless", () => {
  const failed = fail(NO_ATTEMPTS, START);
  assert(nextTryAt(failed, START - 300 * DAY) <= START - 300 * DAY);
  assert(nextTryAt(failed, START + 300 * DAY) <= START + 300 * DAY);
});

test("what another machine wrote counts, although its clock is some minutes ahead", () => {
  const failed = fail(NO_ATTEMPTS, START + 30 * MINUTE);
  assert.equal(nextTryAt(failed, START), START + 31 * MINUTE);
  let attempts = NO_ATTEMPTS;
  for (let count = 0; count < 5; count += 1) attempts = withTry(attempts, START + 10 * MINUTE);
  assert.equal(nextTryAt(attempts, START), START + 70 * MINUTE);
});

test("a certificate is valid from an hour before its begin, for clocks that differ, to its end", () => {
  assert(isValidAt(life(6), START));
  assert(isValidAt(life(6), START - HOUR));
  assert(!isValidAt(life(6), START - HOUR - 1));
  assert(!isValidAt(life(6), START + 6 * DAY));
});

test("whatever happens, tries keep to the hourly limit and none is put off for more than a week", () => {
  const step = fc.record({
    wait: fc.integer({ min: 0, max: 8 * DAY }),
    retryAfterMs: fc.integer({ min: 0, max: 100 * DAY }),
    hasFailed: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 3 }),
      (steps, issuers) => {
        let attempts = NO_ATTEMPTS;
        let now = START;
        const begins: number[] = [];
        for (const { wait, retryAfterMs, hasFailed } of steps) {
          now = Math.max(now, nextTryAt(attempts, now)) + (wait % 3 === 0 ? 0 : wait);
          begins.push(now);
          attempts = hasFailed
            ? fail(attempts, now, { retryAfterMs, issuers })
            : withSuccess(withTry(attempts, now));
          assert(nextTryAt(attempts, now) - now <= 7 * DAY);
          assert(begins.filter((at) => now - at < HOUR).length <= 5);
        }
      },
    ),
  );
});
