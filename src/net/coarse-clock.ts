// One timer for all deadlines of connections: a timer for each connection would cost more than the requests of
// that connection. The owner of a deadline compares it with the time at each tick, so a deadline is met up to
// one tick late.

/** Milliseconds between ticks: deadlines are seconds, so a quarter of one is exact enough. */
export const TICK_MS = 250;

/**
 * Calls one function every `tickMs`. Keeps the process alive until `stop`: a server that stops may wait for
 * something that only a tick detects.
 */
export class CoarseClock {
  readonly #tickMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(tickMs: number = TICK_MS) {
    this.#tickMs = tickMs;
  }

  start(onTick: () => void): void {
    this.stop();
    this.#timer = setInterval(onTick, this.#tickMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
