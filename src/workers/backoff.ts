// How fast workers are started anew: at once, unless they end before they have served for a while;
// then each start waits longer than the last, so that a crash loop never spins.

/** Pauses between starts, seconds: doubled from the first to the last. */
const MIN_PAUSE = 0.1;
const MAX_PAUSE = 30;
/** Who lived so long is no part of a crash loop, seconds; shorter if it has answered requests. */
const HEALTHY_AFTER = 5;
const HEALTHY_AFTER_ANSWERS = 0.5;

export class Backoff {
  #pause = 0;
  #startAfter = 0;

  /** Somebody ended without being asked, `lived` seconds after it was ready; with so many answers given. */
  note(lived: number, answers: number, now: number): void {
    const isHealthy = lived >= (answers > 0 ? HEALTHY_AFTER_ANSWERS : HEALTHY_AFTER);
    this.#pause = isHealthy ? 0 : Math.min(MAX_PAUSE, Math.max(MIN_PAUSE, this.#pause * 2));
    // The first that goes is replaced at once.
    if (this.#pause > MIN_PAUSE) this.#startAfter = now + this.#pause;
  }

  /** Seconds from `now` until somebody may be started; 0: at once. */
  pause(now: number): number {
    return Math.max(0, this.#startAfter - now);
  }

  mayStart(now: number): boolean {
    return this.pause(now) === 0;
  }
}
