// Work of one turn of the event loop.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TurnBudget } from "../../src/net/turn-budget.ts";

test("has room until the turn's work is done, and again in the next turn", async () => {
  const budget = new TurnBudget(100);
  budget.charge(60);
  assert.equal(budget.hasRoom, true);
  budget.charge(60);
  assert.equal(budget.hasRoom, false);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.equal(budget.hasRoom, true);
});
