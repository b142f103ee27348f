// Keeps the process below its limit of open files. At the limit libuv accepts a connection and closes it at
// once, and pipes to workers and temporary files fail as well. Near the limit the connections that have been
// idle longest are closed; if none is idle, a new connection gets 503.

import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";

import type { Engine } from "../http/engine.ts";
import { ERRORS } from "../http/error.ts";

/** Share of the limit at which idle connections are closed; the rest is for workers, bodies and the log. */
const USABLE_SHARE = 0.9;
/** Idle connections closed at a time, as a share of the limit: finding the oldest needs a loop over all. */
const CLOSED_SHARE = 0.01;
/** Share at which a new connection is closed without a response: even a 503 holds a descriptor for a while. */
const FULL_SHARE = 0.97;
/** New connections between two counts of all descriptors: a least number, and a share of the limit. */
const RECOUNT_AFTER = 256;
const RECOUNT_SHARE = 1 / 64;
/** The limit if /proc cannot be read: the default of most systems. */
const FALLBACK_LIMIT = 1024;

export class DescriptorGuard {
  /** The engine whose connections the guard admits, refuses and closes. */
  readonly #engine: Engine;
  readonly #limit: number;
  /** Descriptors other than connections, at the last count. */
  #others = 0;
  #untilRecount = 0;

  /** `limit`: the limit of open files; read from /proc by default. */
  constructor(engine: Engine, limit: number = readLimit()) {
    this.#engine = engine;
    this.#limit = limit;
  }

  accept(socket: Socket): void {
    const open = this.#count();
    if (open >= this.#limit * USABLE_SHARE) {
      const count = Math.max(1, Math.floor(this.#limit * CLOSED_SHARE));
      if (this.#engine.closeOldestIdle(count) === 0) {
        if (open >= this.#limit * FULL_SHARE) socket.destroy();
        else this.#engine.refuse(socket, ERRORS.NO_DESCRIPTORS);
        return;
      }
    }
    this.#engine.accept(socket);
  }

  // Counting all descriptors costs a system call for each, so mostly only connections are counted. Below a
  // quarter of the limit no count is needed at all.
  #count(): number {
    const { size } = this.#engine;
    this.#untilRecount -= 1;
    if (this.#untilRecount <= 0 && size + this.#others >= this.#limit / 4) {
      this.#untilRecount = Math.max(RECOUNT_AFTER, this.#limit * RECOUNT_SHARE);
      this.#others = Math.max(0, countOpen() - size);
    }
    return size + this.#others;
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

function countOpen(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}
