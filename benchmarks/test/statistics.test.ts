// Medians, percentiles and spreads, which all tables show.

import assert from "node:assert/strict";
import { test } from "node:test";
import { median, percentile, spread } from "../statistics.ts";

test("takes the middle value, or the mean of the middle two, of an unsorted list", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 1, 5, 2]), 3.5);
  assert.ok(Number.isNaN(median([])));
});

test("takes percentiles by nearest rank: always a value that was measured", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile(hundred, 1), 100);
  assert.equal(percentile([7], 0.99), 7);
});

test("gives half the range as a share of the median", () => {
  assert.equal(spread([90, 100, 110]), 0.1);
  assert.equal(spread([100]), 0);
});
