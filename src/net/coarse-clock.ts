// One coarse clock for all that may take too long: a timer a connection would cost more than the
// connection's requests. Whoever has deadlines looks at them when the clock ticks, so each may be late
// by a tick.

/** Time between ticks: deadlines are seconds, so a quarter of one is exact enough. */
export const TICK_MS = 250;

/** Calls one function every `tickMs`. Does not keep the process alive by itself. */
export class CoarseClock {
  readonly #tickMs: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(tickMs: number = TICK_MS) {
    this.#tickMs = tickMs;
  }

  start(onTick: () => void): void {
    this.stop();
    this.#timer = setInterval(onTick, this.#tickMs).unref();
  }

  stop(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
