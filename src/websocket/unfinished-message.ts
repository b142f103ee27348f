// Memory of the message that a client has begun and not ended, counted against a budget that all clients
// share: one may be as large as any, many large ones at once may not.

import type { MemoryBudget } from "../net/memory-budget.ts";
import { FAIR_BYTES } from "./limits.ts";

export class UnfinishedMessage {
  readonly #budget: MemoryBudget;
  #bytes = 0;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** More bytes of it; false: there is no room for so large a one. */
  take(bytes: number): boolean {
    this.#bytes += bytes;
    this.#budget.take(bytes);
    return this.#budget.hasRoom || this.#bytes <= FAIR_BYTES;
  }

  /** Some were not its own. */
  give(bytes: number): void {
    const given = Math.min(bytes, this.#bytes);
    this.#bytes -= given;
    this.#budget.give(given);
  }

  /** It has ended. */
  clear(): void {
    this.give(this.#bytes);
  }
}
