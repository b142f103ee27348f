// Which worker is to be replaced though nothing is wrong with it: it has run enough requests, grown too
// large or too old. One at a time, so that a pool never starts anew as a whole.

import type { Worker } from "./worker.ts";

/** Memory is looked at this often. */
const MEMORY_LOOK_MS = 1000;

export interface RecyclingOptions {
  /** Requests that a worker runs, and up to how many more; 0 = without end. */
  readonly maxRequests: number;
  readonly maxRequestsJitter: number;
  /** Resident bytes; 0 = any. */
  readonly maxRss: number;
  /** Since the worker started; 0 = any. */
  readonly maxAgeMs: number;
}

export class Recycling {
  readonly #options: RecyclingOptions;
  #lookAt = 0;

  constructor(options: RecyclingOptions) {
    this.#options = options;
  }

  /** How many requests a new worker may run. */
  drawMaxRequests(): number {
    const { maxRequests, maxRequestsJitter } = this.#options;
    if (maxRequests === 0) return Infinity;
    return maxRequests + Math.floor(Math.random() * (maxRequestsJitter + 1));
  }

  /** Marks the next worker that is to leave and returns it; null while another leaves, or if none is due. */
  markNext(workers: readonly Worker[], now: number): Worker | null {
    if (workers.some(({ leaving }) => leaving !== null)) return null;
    const isTimeToLook = now >= this.#lookAt;
    if (isTimeToLook) this.#lookAt = now + MEMORY_LOOK_MS;
    for (const worker of workers) {
      if (worker.state !== "taking") continue;
      worker.leaving = this.#reason(worker, now, isTimeToLook);
      if (worker.leaving !== null) return worker;
    }
    return null;
  }

  #reason(worker: Worker, now: number, maySeeMemory: boolean): string | null {
    const { maxRss, maxAgeMs } = this.#options;
    const ageMs = now - worker.startedAt;
    if (worker.served >= worker.maxRequests) return `it has run ${worker.served} requests`;
    if (maxAgeMs > 0 && ageMs >= maxAgeMs) return `it is ${Math.floor(ageMs / 1000)} s old`;
    if (maxRss === 0 || !maySeeMemory) return null;
    const rss = worker.process?.residentBytes() ?? 0;
    return rss > maxRss ? `it holds ${Math.round(rss / 1_048_576)} MiB of memory` : null;
  }
}
