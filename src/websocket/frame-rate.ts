// How many frames come in a second that cost work and bring nothing. Pure: time is given.

const SECOND_MS = 1000;

export class FrameRate {
  readonly #limit: number;
  #since = -Infinity;
  #count = 0;

  constructor(limitPerSecond: number) {
    this.#limit = limitPerSecond;
  }

  /** Counts one; false: there were too many in this second. `now`: ms of a monotonic clock. */
  takes(now: number): boolean {
    if (now - this.#since >= SECOND_MS) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count <= this.#limit;
  }
}
