// What the process may have open: one table for its limit of open files (RLIMIT_NOFILE).
//
//   0 ─────────────── usable ────────── full ──────────────── limit
//   │ connections, temporary │ connections  │ workers' starts, reloads,
//   │ files, links           │ that get 503 │ logs, the PID file
//
// At the limit every open(), accept() and spawn() of the process fails. What clients cause is refused before,
// so that a worker can always be replaced. What clients cause is counted one by one, because they are fast; all
// else is measured now and then.

import { readdirSync, readFileSync, statSync } from "node:fs";

/** Share of the limit kept free of what clients cause, and what the start of workers needs of it. */
const RESERVED_SHARE = 0.1;
const DESCRIPTORS_A_WORKER = 5;
const DESCRIPTORS_OF_A_START = 24;
/** The reserve is at most this share: with a very low limit clients are served as long as possible. */
const MAX_RESERVED_SHARE = 0.25;
/** Share of the reserve that connections get which are only told 503. */
const REFUSED_SHARE = 1 / 3;
/** Idle connections closed at a time, as a share of the limit: finding the oldest needs a loop over all. */
const CLOSED_SHARE = 0.01;
/** Questions between two measurements of all descriptors: a least number, and a share of the limit. */
const MEASURED_AFTER = 256;
const MEASURED_SHARE = 1 / 64;
/** The same where files were being opened or closed meanwhile. */
const MEASURED_SOON = 16;
/** The limit if /proc cannot be read: the default of most systems. */
const FALLBACK_LIMIT = 1024;

export interface OpenFilesOptions {
  /** The limit of open files; read from /proc by default. */
  readonly limit?: number;
  /** Workers that may be started at the same moment. */
  readonly workers: number;
  /** The number of open connections. */
  readonly connections: () => number;
  /** Closes up to `count` connections that have been idle longest; returns how many. */
  readonly closeIdle: (count: number) => number;
  /** Returns all open descriptors of the process, null if they cannot be counted now. */
  readonly measure?: () => number | null;
}

export class OpenFiles {
  readonly limit: number;
  #usable = 0;
  #full = 0;
  readonly #options: OpenFilesOptions;
  readonly #measure: () => number | null;
  /** Temporary files, and sockets to applications. */
  #held = 0;
  /** Those of them that are being opened or closed: they may or may not have a descriptor. */
  #moving = 0;
  /** All other descriptors, at the last measurement. */
  #others = 0;
  #untilMeasured = 0;

  constructor(options: OpenFilesOptions) {
    this.#options = options;
    this.#measure = options.measure ?? countOpen;
    this.limit = options.limit ?? readLimit();
    this.expectWorkers(options.workers);
  }

  /** Descriptors beyond which a client gets no further one. */
  get usable(): number {
    return this.#usable;
  }

  /** Keeps a reserve for so many workers that may be started at the same moment. */
  expectWorkers(count: number): void {
    const needed = count * DESCRIPTORS_A_WORKER + DESCRIPTORS_OF_A_START;
    const reserve = Math.min(
      this.limit * MAX_RESERVED_SHARE,
      Math.max(this.limit * RESERVED_SHARE, needed / (1 - REFUSED_SHARE)),
    );
    this.#usable = this.limit === Infinity ? Infinity : Math.floor(this.limit - reserve);
    this.#full = this.#usable + reserve * REFUSED_SHARE;
  }

  /** Whether a client may have one more descriptor; near the limit idle connections are closed for it. */
  mayOpen(): boolean {
    if (this.#count() < this.#usable) return true;
    const count = Math.max(1, Math.floor(this.limit * CLOSED_SHARE));
    return this.#options.closeIdle(count) > 0;
  }

  /** Whether not even a connection that is only told 503 has room. */
  get isFull(): boolean {
    return this.#count() >= this.#full;
  }

  /** A temporary file, or a socket to an application, is about to be opened: it counts from now on. */
  opening(): void {
    this.#held += 1;
    this.#moving += 1;
  }

  /** It is open, or could not be opened; `closing` follows in any case. */
  opened(): void {
    this.#moving -= 1;
  }

  /** It is about to be closed. */
  closing(): void {
    this.#moving += 1;
  }

  closed(): void {
    this.#held -= 1;
    this.#moving -= 1;
  }

  // Measuring costs much on older kernels, so it is rare. Below a quarter of the limit no measurement is needed
  // at all. One that fails says nothing: the last one holds. One in a moment of change finds too many others rather
  // than too few, and is soon repeated.
  #count(): number {
    const counted = this.#options.connections() + this.#held;
    this.#untilMeasured -= 1;
    if (this.#untilMeasured <= 0 && counted + this.#others >= this.limit / 4) {
      this.#untilMeasured =
        this.#moving > 0 ? MEASURED_SOON : Math.max(MEASURED_AFTER, this.limit * MEASURED_SHARE);
      const open = this.#measure();
      if (open !== null) this.#others = Math.max(0, open - counted + this.#moving);
    }
    return counted + this.#others;
  }
}

/** The soft limit of open files; Infinity if there is none. */
export function readLimit(): number {
  try {
    const line = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
    if (line?.[1] === "unlimited") return Infinity;
    return Number(line?.[1] ?? FALLBACK_LIMIT);
  } catch {
    return FALLBACK_LIMIT;
  }
}

// Since Linux 6.2 the size of the folder is the number of its entries, and needs no descriptor to be read.
function countOpen(): number | null {
  try {
    return statSync("/proc/self/fd").size || readdirSync("/proc/self/fd").length;
  } catch {
    return null;
  }
}
