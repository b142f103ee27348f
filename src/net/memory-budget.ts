// Memory that many connections share, as a count of bytes. A limit for each connection alone does not bound the
// memory of many; the owner decides what a connection does when no room is left.

/** A counter of bytes with a limit. */
export class MemoryBudget {
  readonly #limit: number;
  readonly #hardLimit: number;
  #used = 0;

  /** `hardLimitBytes`: what bytes that are taken without asking may add up to. */
  constructor(limitBytes: number, hardLimitBytes = Infinity) {
    this.#limit = limitBytes;
    this.#hardLimit = hardLimitBytes;
  }

  get hasRoom(): boolean {
    return this.#used < this.#limit;
  }

  /** Whether the hard limit is passed as well: the taker has to give up. */
  get isOverdrawn(): boolean {
    return this.#used > this.#hardLimit;
  }

  /** Counts bytes as used, also beyond the limit: the caller asks `hasRoom`. */
  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
