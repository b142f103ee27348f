// Keeps the process away from its limit of open files: there libuv accepts and closes without a word,
// and pipes to workers and temporary files fail as well. Near the limit the connections that have been
// idle longest go first; if none is idle, a new one gets 503.

import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";

import type { Engine } from "../http/engine.ts";
import { ERRORS } from "../http/error.ts";

/** Share of the limit that may be in use; the rest is for workers, bodies and the log. */
const USABLE_SHARE = 0.9;
/** Idle connections closed at a time, as a share of the limit: looking for them costs a walk over all. */
const CLOSED_SHARE = 0.01;
/** Share from which a new connection is closed without a response: even a refusal holds a descriptor. */
const FULL_SHARE = 0.97;
/** Connections between two counts of all descriptors, at least, and as a share of the limit. */
const RECOUNT_AFTER = 256;
const RECOUNT_SHARE = 1 / 64;
/** Where /proc is not there to ask: what most systems give. */
const FALLBACK_LIMIT = 1024;

export class DescriptorGuard {
  /** Its connections share the process's descriptors. */
  readonly #connections: Engine;
  readonly #limit: number;
  /** Descriptors that are no connections, at the last count. */
  #others = 0;
  #untilRecount = 0;

  /** `limit`: of open files; read from /proc if not given. */
  constructor(connections: Engine, limit: number = readLimit()) {
    this.#connections = connections;
    this.#limit = limit;
  }

  accept(socket: Socket): void {
    const open = this.#count();
    if (open >= this.#limit * USABLE_SHARE) {
      const count = Math.max(1, Math.floor(this.#limit * CLOSED_SHARE));
      if (this.#connections.closeOldestIdle(count) === 0) {
        if (open >= this.#limit * FULL_SHARE) socket.destroy();
        else this.#connections.refuse(socket, ERRORS.NO_DESCRIPTORS);
        return;
      }
    }
    this.#connections.accept(socket);
  }

  // Counting all costs a system call a descriptor, so only connections are counted each time. A quarter
  // of the limit in use cannot be near it.
  #count(): number {
    const { size } = this.#connections;
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
