// One connection's part of a memory budget.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BudgetShare } from "../../src/net/budget-share.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";

const LIMITS = { fairBytes: 100, leastBytes: 4 };

describe("BudgetShare", () => {
  it("counts every byte, and may hold any number while there is room", () => {
    const budget = new MemoryBudget(1000, 2000);
    const share = new BudgetShare(budget, LIMITS);
    share.add(999);
    assert.ok(share.mayHold(999) && share.hasRoom);
    share.add(1);
    assert.ok(!share.hasRoom && !budget.hasRoom);
    assert.ok(!share.mayHold(101) && share.mayHold(100));
    share.add(1001);
    assert.ok(!share.mayHold(5) && share.mayHold(4));
    share.add(-1002);
    assert.ok(budget.hasRoom);
  });

  it("gives all back, in whatever steps it was taken", () => {
    const budget = new MemoryBudget(1);
    const share = new BudgetShare(budget, LIMITS);
    for (const bytes of [50, 70, 200, -250, -20, 300, -350]) share.add(bytes);
    assert.ok(budget.hasRoom);
  });

  it("lets many connections hold at most twice the budget and the least of each", () => {
    const budget = new MemoryBudget(1000, 2000);
    let held = 0;
    for (let count = 0; count < 200; count += 1) {
      const share = new BudgetShare(budget, LIMITS);
      let bytes = 0;
      for (share.add(1); bytes < 150 && share.mayHold(bytes + 1); share.add(1)) bytes += 1;
      share.add(-1);
      assert.ok(bytes >= LIMITS.leastBytes, "a connection that holds little was stopped");
      held += bytes;
    }
    assert.ok(held > 2000 && held <= 2000 + 200 * LIMITS.leastBytes, `${held} bytes`);
  });
});
