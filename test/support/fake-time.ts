// A clock that tests move, for code that waits minutes and months. Short waits, such as between two looks at an
// order, pass by themselves, and take their time on the clock as well.

import { setImmediate } from "node:timers/promises";

interface Waiting {
  readonly at: number;
  readonly end: () => void;
}

export class FakeTime {
  #now: number;
  /** What was added to the wall clock only. */
  #shift = 0;
  readonly #shortMs: number;
  readonly #waiting = new Set<Waiting>();

  /** Waits of up to `shortMs` pass by themselves. */
  constructor(now: number, shortMs: number) {
    this.#now = now;
    this.#shortMs = shortMs;
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => this.#now + this.#shift;

  /** The clock that nobody sets. */
  readonly monotonic = (): number => this.#now;

  readonly delay = async (ms: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    if (ms <= this.#shortMs) {
      await setImmediate();
      this.#pass(ms);
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { at: this.#now + ms, end: resolve };
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#waiting.add(waiting);
    try {
      await promise;
    } finally {
      this.#waiting.delete(waiting);
      signal.removeEventListener("abort", abort);
    }
  };

  /** How many long waits are going on. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Lets time pass, and ends the waits whose time has come. */
  async advance(ms: number): Promise<void> {
    this.#pass(ms);
    await setImmediate();
  }

  /** Sets the wall clock forward or back; no time passes. */
  shift(ms: number): void {
    this.#shift += ms;
  }

  #pass(ms: number): void {
    this.#now += ms;
    for (const waiting of this.#waiting) if (waiting.at <= this.#now) waiting.end();
  }
}
