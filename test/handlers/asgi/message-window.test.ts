// How much of an application's messages may be on its way to one client.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { MessageWindow } from "../../../src/handlers/asgi/message-window.ts";
import { MemoryBudget } from "../../../src/net/memory-budget.ts";

describe("MessageWindow", () => {
  let granted: number[];
  beforeEach(() => {
    granted = [];
  });
  const windowOf = (budget: MemoryBudget): MessageWindow =>
    new MessageWindow(budget, (bytes) => granted.push(bytes));

  it("gives credit in steps of half a small window", () => {
    const window = windowOf(new MemoryBudget(0));
    for (let count = 0; count < 5; count += 1) window.take(16_384);
    window.take(100_000);
    assert.deepEqual(granted, [32_768, 32_768, 116_384]);
  });

  it("becomes larger once for a client that has taken a small one", () => {
    const window = windowOf(new MemoryBudget(1));
    window.take(65_535);
    window.take(1);
    assert.deepEqual(granted, [65_535, 196_609]);
    window.take(65_536);
    assert.deepEqual(granted.slice(2), [65_536]);
  });

  it("becomes larger only while there is memory for it, which goes back at the end", () => {
    const budget = new MemoryBudget(1);
    const [first, second] = [windowOf(budget), windowOf(budget)];
    for (const window of [first, second]) window.take(65_536);
    assert.deepEqual(granted, [262_144, 65_536]);
    first.close();
    second.take(40_000);
    assert.deepEqual(granted.slice(2), [236_608]);
    second.close();
    second.close();
    assert.ok(budget.hasRoom);
    // What a client takes behind its close is granted, and no window grows.
    first.take(65_536);
    assert.deepEqual(granted.slice(3), [65_536]);
    assert.ok(budget.hasRoom);
  });
});
