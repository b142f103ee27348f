// How often a client may do what costs the server more than the client: a bucket that fills with time (token
// bucket), and with useful work. Pure: the caller has the time.

export class Allowance {
  readonly #most: number;
  readonly #perMs: number;
  #left: number;
  #filledAt: number;

  /** `most`: in one burst. */
  constructor(most: number, perSecond: number, now: number) {
    this.#most = most;
    this.#perMs = perSecond / 1000;
    this.#left = most;
    this.#filledAt = now;
  }

  /** Takes one; false: none is left. */
  take(now: number): boolean {
    if (now > this.#filledAt) {
      this.earn((now - this.#filledAt) * this.#perMs);
      this.#filledAt = now;
    }
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  earn(count: number): void {
    this.#left = Math.min(this.#most, this.#left + count);
  }
}
