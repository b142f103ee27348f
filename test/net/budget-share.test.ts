// One connection's part of a memory budget.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BudgetShare } from "../../src/net/budget-share.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";

describe("BudgetShare", () => {
  it("counts only what is beyond its allowance", () => {
    const budget = new MemoryBudget(10);
    const share = new BudgetShare(budget, 100);
    share.add(100);
    share.add(9);
    assert.ok(share.hasRoom);
    share.add(1);
    assert.ok(!share.hasRoom && !budget.hasRoom);
    share.add(-1);
    assert.ok(budget.hasRoom);
  });

  it("gives all back, in whatever steps it was taken", () => {
    const budget = new MemoryBudget(1);
    const share = new BudgetShare(budget, 100);
    for (const bytes of [50, 70, 200, -250, -20, 300, -350]) share.add(bytes);
    assert.ok(budget.hasRoom);
  });

  it("has no room when others have used it up, and never counts for them", () => {
    const budget = new MemoryBudget(10);
    const [one, other] = [new BudgetShare(budget, 100), new BudgetShare(budget, 100)];
    one.add(110);
    assert.ok(!other.hasRoom);
    other.add(100);
    other.add(-100);
    assert.ok(!other.hasRoom);
    one.add(-110);
    assert.ok(other.hasRoom);
  });
});
