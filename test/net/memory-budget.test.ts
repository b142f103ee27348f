// Who gives up memory: the oldest, until there is room.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryBudget } from "../../src/net/memory-budget.ts";

const holder = (since: number, bytes: number): { since: number; bytes: number } => ({
  since,
  bytes,
});

test("has room below its limit, and says when more is used", () => {
  const budget = new MemoryBudget(100);
  let heard = 0;
  budget.onOver = () => {
    heard += 1;
  };
  budget.take(100);
  assert.equal(heard, 0);
  assert.equal(budget.hasRoom, false);
  assert.equal(budget.isOver, false);
  budget.take(1);
  assert.equal(heard, 1);
  assert.equal(budget.isOver, true);
  budget.give(101);
  assert.equal(budget.hasRoom, true);
});

test("chooses the oldest, so that an eighth of the limit is free", () => {
  const budget = new MemoryBudget(800);
  const holders = [holder(3, 200), holder(1, 50), holder(Infinity, 400), holder(2, 200)];
  budget.take(800);
  assert.deepEqual(budget.choose(holders), []);
  budget.take(50);
  // 850 are used, 700 may remain.
  assert.deepEqual(budget.choose(holders), [holder(1, 50), holder(2, 200)]);
  budget.take(10_000);
  assert.deepEqual(budget.choose(holders).at(-1), holder(Infinity, 400));
});
