// When the next worker may be started: at once, unless workers end soon after their start. Then each start
// waits longer than the last, so that a crash loop never spins.

/** Pauses between starts, seconds: doubled from the shortest to the longest. */
const MIN_PAUSE = 0.1;
const MAX_PAUSE = 30;
/** A worker that lived so long is no part of a crash loop, seconds; shorter if it ended requests. */
const HEALTHY_AFTER = 5;
const HEALTHY_AFTER_SERVING = 0.5;

export class Backoff {
  #pause = 0;
  #startAfter = 0;

  /** A worker ended without being asked to, `lived` seconds after it was ready, `served` requests done. */
  note(lived: number, served: number, now: number): void {
    const isHealthy = lived >= (served > 0 ? HEALTHY_AFTER_SERVING : HEALTHY_AFTER);
    this.#pause = isHealthy ? 0 : Math.min(MAX_PAUSE, Math.max(MIN_PAUSE, this.#pause * 2));
    // The first worker that ends early is replaced at once.
    if (this.#pause > MIN_PAUSE) this.#startAfter = now + this.#pause;
  }

  /** Seconds from `now` until a worker may be started; 0: at once. */
  pause(now: number): number {
    return Math.max(0, this.#startAfter - now);
  }

  mayStart(now: number): boolean {
    return this.pause(now) === 0;
  }
}
