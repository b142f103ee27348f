// Memory that many connections share, as a count of bytes. A limit for each connection alone does not bound the
// memory of many; the owner decides what a connection does when no room is left.

/** A counter of bytes with a limit. */
export class MemoryBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  get hasRoom(): boolean {
    return this.#used < this.#limit;
  }

  /** Counts bytes as used, also beyond the limit: the caller asks `hasRoom`. */
  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
