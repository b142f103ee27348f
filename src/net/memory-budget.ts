// Memory that many connections share, as a count of bytes. A limit for each connection alone does not bound the
// memory of many; the owner decides what a connection does when no room is left.

import { totalmem } from "node:os";

/** Share of the limit down to which memory is freed at a time: finding the oldest holders needs a loop over all. */
const FREED_SHARE = 1 / 8;

/** A counter of bytes with a limit. */
export class MemoryBudget {
  /** Called by each `take` that leaves more than the limit in use. */
  onOver: () => void = ignore;
  readonly #limit: number;
  readonly #hardLimit: number;
  #used = 0;

  /** `hardLimitBytes`: what bytes that are taken without asking may add up to. */
  constructor(limitBytes: number, hardLimitBytes = Infinity) {
    this.#limit = limitBytes;
    this.#hardLimit = hardLimitBytes;
  }

  get isOver(): boolean {
    return this.#used > this.#limit;
  }

  get isHalfUsed(): boolean {
    return 2 * this.#used > this.#limit;
  }

  get hasRoom(): boolean {
    return this.#used < this.#limit;
  }

  /** Whether the hard limit is passed as well: the taker has to give up. */
  get isOverdrawn(): boolean {
    return this.#used > this.#hardLimit;
  }

  /** Counts bytes as used, also beyond the limit: the caller asks `hasRoom`, or the owner hears `onOver`. */
  take(bytes: number): void {
    this.#used += bytes;
    if (this.isOver) this.onOver();
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }

  /** The holders to take memory from, oldest first, so that an eighth of the limit is free; none below the limit. */
  choose<T extends Holder>(holders: readonly T[]): T[] {
    if (!this.isOver) return [];
    let excess = this.#used - this.#limit * (1 - FREED_SHARE);
    const chosen: T[] = [];
    for (const holder of holders.toSorted((a, b) => a.since - b.since)) {
      if (excess <= 0) break;
      chosen.push(holder);
      excess -= holder.bytes;
    }
    return chosen;
  }
}

/** A part of the memory in use that can be freed. */
export interface Holder {
  /** When the holder began to wait for its client. */
  readonly since: number;
  readonly bytes: number;
}

/** Counts, without a limit. */
export const UNLIMITED = new MemoryBudget(Infinity);

function ignore(): void {
  // The owner asks `hasRoom` instead.
}

/** Memory of the machine, or of the control group where that has less. */
export function machineMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
