// How many requests a second are done while others wait: the workers' capacity, not the demand. Time in
// which no request waits says nothing about capacity and is left out. Pure.

/** The rate is that of the last STEPS steps of STEP seconds. */
const STEP = 0.1;
const STEPS = 50;
/** With less busy time than this the rate is unknown. Seconds. */
const MIN_BUSY = 0.5;

export class BusyRate {
  /** Requests done and seconds passed in each step in which requests waited; 0 in the others. */
  readonly #done: number[] = [];
  readonly #seconds: number[] = [];
  #current = 0;
  #since = 0;
  /** Infinity while the rate is unknown. */
  perSecond = Infinity;

  /** A request is done. */
  count(): void {
    this.#current += 1;
  }

  /** Ends a step if it was long enough. `isBusy`: requests wait. */
  tick(now: number, isBusy: boolean): void {
    const passed = now - this.#since;
    if (passed < STEP) return;
    const isWhole = this.#since > 0 && isBusy;
    this.#done.push(isWhole ? this.#current : 0);
    this.#seconds.push(isWhole ? passed : 0);
    if (this.#done.length > STEPS) {
      this.#done.shift();
      this.#seconds.shift();
    }
    this.#current = 0;
    this.#since = now;
    const seconds = sum(this.#seconds);
    this.perSecond = seconds < MIN_BUSY ? Infinity : sum(this.#done) / seconds;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
