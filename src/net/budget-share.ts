// What one connection holds of a memory budget that many share. When the budget is used up, a connection goes on as
// long as it holds little, and beyond the hard limit as long as it holds very little, so that no greedy connection
// stops the others. Together n connections hold at most the hard limit and n times the least bytes.

import type { MemoryBudget } from "./memory-budget.ts";

export interface ShareLimits {
  /** Bytes that a connection may hold when the budget is used up. */
  readonly fairBytes: number;
  /** Bytes that it may hold when the hard limit is passed as well. */
  readonly leastBytes: number;
}

export class BudgetShare {
  readonly #budget: MemoryBudget;
  readonly #limits: ShareLimits;

  constructor(budget: MemoryBudget, limits: ShareLimits) {
    this.#budget = budget;
    this.#limits = limits;
  }

  get hasRoom(): boolean {
    return this.#budget.hasRoom;
  }

  /** Whether the connection may hold `bytes`, which are counted already. */
  mayHold(bytes: number): boolean {
    const { fairBytes, leastBytes } = this.#limits;
    return this.#budget.hasRoom || bytes <= (this.#budget.isOverdrawn ? leastBytes : fairBytes);
  }

  /** Counts bytes as held, or with a negative number as given back. */
  add(bytes: number): void {
    if (bytes > 0) this.#budget.take(bytes);
    else this.#budget.give(-bytes);
  }
}
