// When the next worker may be started: at once, unless workers end soon after their start. Then each start
// waits longer than the last, so that a crash loop never spins.

/** Pauses between starts: doubled from the shortest to the longest. */
const MIN_PAUSE_MS = 100;
const MAX_PAUSE_MS = 30_000;
/** A worker that lived so long is no part of a crash loop; shorter if it ended requests. */
const HEALTHY_AFTER_MS = 5000;
const HEALTHY_AFTER_SERVING_MS = 500;

export class Backoff {
  #pauseMs = 0;
  #startAfter = 0;

  /** A worker ended without being asked to, `livedMs` after it was ready, `served` requests done. */
  note(livedMs: number, served: number, now: number): void {
    const isHealthy = livedMs >= (served > 0 ? HEALTHY_AFTER_SERVING_MS : HEALTHY_AFTER_MS);
    this.#pauseMs = isHealthy
      ? 0
      : Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, this.#pauseMs * 2));
    // The first worker that ends early is replaced at once.
    if (this.#pauseMs > MIN_PAUSE_MS) this.#startAfter = now + this.#pauseMs;
  }

  /** Milliseconds from `now` until a worker may be started; 0: at once. */
  pauseMs(now: number): number {
    return Math.max(0, this.#startAfter - now);
  }

  mayStart(now: number): boolean {
    return this.pauseMs(now) === 0;
  }
}
