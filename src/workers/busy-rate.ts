// How many requests a millisecond are done while others wait: the workers' capacity, not the demand. Time in
// which no request waits says nothing about capacity and is left out. Pure.

/** The rate is that of the last STEPS steps. */
const STEP_MS = 100;
const STEPS = 50;
/** With less busy time than this the rate is unknown. */
const MIN_BUSY_MS = 500;

export class BusyRate {
  /** Requests done and milliseconds passed in each step in which requests waited; 0 in the others. */
  readonly #done: number[] = [];
  readonly #passedMs: number[] = [];
  #current = 0;
  #since = 0;
  /** Infinity while the rate is unknown. */
  perMs = Infinity;

  /** A request is done. */
  count(): void {
    this.#current += 1;
  }

  /** Ends a step if it was long enough. `isBusy`: requests wait. */
  tick(now: number, isBusy: boolean): void {
    const passedMs = now - this.#since;
    if (passedMs < STEP_MS) return;
    const isWhole = this.#since > 0 && isBusy;
    this.#done.push(isWhole ? this.#current : 0);
    this.#passedMs.push(isWhole ? passedMs : 0);
    if (this.#done.length > STEPS) {
      this.#done.shift();
      this.#passedMs.shift();
    }
    this.#current = 0;
    this.#since = now;
    const busyMs = sum(this.#passedMs);
    this.perMs = busyMs < MIN_BUSY_MS ? Infinity : sum(this.#done) / busyMs;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
