// How many requests a second are done while others wait: what the workers can do, not what was asked of
// them. Seconds in which nobody waited say nothing about that and are left out. Pure.

/** Time that is looked back on, in steps. Seconds. */
const STEP = 0.1;
const STEPS = 50;
/** With less busy time than this nothing is known. Seconds. */
const MIN_BUSY = 0.5;

export class BusyRate {
  /** Requests done and seconds passed in each step in which somebody waited. */
  readonly #done: number[] = [];
  readonly #seconds: number[] = [];
  #current = 0;
  #since = 0;
  /** Infinity: not known. */
  perSecond = Infinity;

  /** A request is done. */
  count(): void {
    this.#current += 1;
  }

  /** Ends a step if it was long enough. `isBusy`: somebody waits. */
  tick(now: number, isBusy: boolean): void {
    const passed = now - this.#since;
    if (passed < STEP) return;
    // What lies further back than the time that is looked at is forgotten, busy or not.
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
