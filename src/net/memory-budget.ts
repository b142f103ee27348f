// How many bytes all bodies together may hold in memory, so that many slow clients cannot do what one
// may not. What finds no room goes to a temporary file at once.

/** A counter with a limit. */
export class MemoryBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  get hasRoom(): boolean {
    return this.#used < this.#limit;
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
