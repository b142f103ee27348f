// Windows, allowances and the memory of resets: small rules with numbers.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { Allowance } from "../../src/http2/allowance.ts";
import { REMEMBERED_RESETS } from "../../src/http2/limits.ts";
import { ReceiveWindow } from "../../src/http2/receive-window.ts";
import { RecentIds } from "../../src/http2/recent-ids.ts";

test("a window gives back in large updates what was taken, and never more", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { maxLength: 200 }), (sizes) => {
      const window = new ReceiveWindow(100);
      let known = 100;
      for (const size of sizes) {
        const bytes = Math.min(size, known);
        assert.ok(window.receive(bytes));
        known -= bytes;
        const increment = window.release(bytes);
        assert.ok(increment === 0 || increment >= 50);
        known += increment;
        assert.ok(known <= 100 && known > 0, `a client that knows ${known} goes on`);
      }
    }),
  );
});

test("a window that is passed says so, and grows by an update", () => {
  const window = new ReceiveWindow(100);
  assert.ok(window.receive(100));
  assert.ok(!window.receive(1));
  const growing = new ReceiveWindow(100);
  assert.ok(growing.receive(90));
  assert.equal(growing.grow(1000), 900);
  assert.equal(growing.grow(500), 0);
  assert.ok(growing.receive(910));
  assert.ok(!growing.receive(1));
});

test("an allowance has a burst, fills with time and with useful work", () => {
  const allowance = new Allowance(3, 2, 0);
  const take = (now: number): boolean[] => [0, 1, 2, 3].map(() => allowance.take(now));
  assert.deepEqual(take(0), [true, true, true, false]);
  assert.deepEqual(take(1000), [true, true, false, false]);
  assert.deepEqual(take(100_000), [true, true, true, false]);
  allowance.earn(1);
  assert.deepEqual(take(100_000), [true, false, false, false]);
});

test("the oldest resets are forgotten", () => {
  const ids = new RecentIds();
  assert.ok(!ids.has(0));
  for (let id = 1; id <= REMEMBERED_RESETS + 1; id += 1) ids.add(id);
  assert.deepEqual([ids.has(1), ids.has(2), ids.has(REMEMBERED_RESETS + 1)], [false, true, true]);
});
