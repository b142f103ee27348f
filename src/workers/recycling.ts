// Which worker is due to be replaced though nothing is wrong with it: it has run enough requests, grown
// too large or too old. One at a time, so that a pool never starts anew as a whole.

import { readFileSync } from "node:fs";

import type { WorkerTable } from "./worker-table.ts";
import type { Worker } from "./worker.ts";

/** Pages that a process has in memory are of this size on every Linux that we know (getconf PAGESIZE). */
const PAGE_BYTES = 4096;
/** Memory is looked at this often, seconds. */
const LOOK_SECONDS = 1;

export interface RecyclingOptions {
  /** Requests that a worker runs, and up to how many more; 0 = without end. */
  readonly maxRequests: number;
  readonly maxRequestsJitter: number;
  /** Resident bytes; 0 = any. */
  readonly maxRss: number;
  /** Seconds since it started; 0 = any. */
  readonly maxAge: number;
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

  /** Marks the next worker that is to leave; returns it, or null. */
  markNext(workers: WorkerTable, now: number): Worker | null {
    if (workers.all.some(({ leaving }) => leaving !== null)) return null;
    const takers = workers.all.filter(({ state }) => state === "taking");
    const isTimeToLook = now >= this.#lookAt;
    if (isTimeToLook) this.#lookAt = now + LOOK_SECONDS;
    for (const worker of takers) {
      worker.leaving = this.#reason(worker, now, isTimeToLook);
      if (worker.leaving !== null) return worker;
    }
    return null;
  }

  #reason(worker: Worker, now: number, maySeeMemory: boolean): string | null {
    const { maxRss, maxAge } = this.#options;
    if (worker.served >= worker.maxRequests) return `it has run ${worker.served} requests`;
    if (maxAge > 0 && now - worker.startedAt >= maxAge)
      return `it is ${Math.floor(now - worker.startedAt)} s old`;
    if (maxRss === 0 || !maySeeMemory) return null;
    const rss = residentBytes(worker.pid);
    return rss > maxRss ? `it holds ${Math.round(rss / 1_048_576)} MiB of memory` : null;
  }
}

function residentBytes(pid: number): number {
  try {
    const [, resident = "0"] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ");
    return Number(resident) * PAGE_BYTES;
  } catch {
    // It has just ended.
    return 0;
  }
}
