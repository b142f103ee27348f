// Work that may be done in this thread before the event loop turns, for all connections together. A short piece of
// work is done at once while something is left of the turn's budget; the rest goes another way, so that the loop
// turns however many pieces come together.

export class TurnBudget {
  readonly #bytesEachTurn: number;
  #bytesLeft: number;

  constructor(bytesEachTurn: number) {
    this.#bytesEachTurn = bytesEachTurn;
    this.#bytesLeft = bytesEachTurn;
  }

  get hasRoom(): boolean {
    return this.#bytesLeft > 0;
  }

  /** Counts work, also beyond the budget: the caller asks `hasRoom`. */
  charge(bytes: number): void {
    if (this.#bytesLeft === this.#bytesEachTurn)
      setImmediate(() => (this.#bytesLeft = this.#bytesEachTurn));
    this.#bytesLeft -= bytes;
  }
}
