// Limits the frames of one kind in each second, because control frames cost work and carry no message. Pure.

const SECOND_MS = 1000;

export class FrameRate {
  readonly #limitPerSecond: number;
  /** When the current second began, ms. */
  #since = -Infinity;
  #count = 0;

  constructor(limitPerSecond: number) {
    this.#limitPerSecond = limitPerSecond;
  }

  /** Counts one frame; false: more than the limit in this second. `now`: ms of a monotonic clock. */
  count(now: number): boolean {
    if (now - this.#since >= SECOND_MS) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count <= this.#limitPerSecond;
  }
}
