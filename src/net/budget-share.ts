// What one connection holds of a memory budget that many share. Its first bytes are its own and are not counted, so
// that a used-up budget stops no connection that holds little. Together n connections hold at most the budget and n
// times that allowance.

import type { MemoryBudget } from "./memory-budget.ts";

export class BudgetShare {
  readonly #budget: MemoryBudget;
  readonly #allowance: number;
  #bytes = 0;

  /** `allowance`: bytes that are always allowed. */
  constructor(budget: MemoryBudget, allowance: number) {
    this.#budget = budget;
    this.#allowance = allowance;
  }

  /** Whether the budget has room for more than the allowance. */
  get hasRoom(): boolean {
    return this.#budget.hasRoom;
  }

  /** Counts bytes as held, or with a negative number as given back. */
  add(bytes: number): void {
    const before = this.#counted;
    this.#bytes += bytes;
    const counted = this.#counted;
    if (counted > before) this.#budget.take(counted - before);
    else if (counted < before) this.#budget.give(before - counted);
  }

  get #counted(): number {
    return Math.max(0, this.#bytes - this.#allowance);
  }
}
