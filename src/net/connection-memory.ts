// The memory that all connections of a server keep for their clients, by kind, and which connections give it up
// when a kind is at its limit: those that have waited longest for their client. Knows no socket.

import { type Holder, MemoryBudget } from "./memory-budget.ts";
import {
  HEAD_MEMORY_BYTES,
  INPUT_MEMORY_BYTES,
  OUTPUT_MEMORY_BYTES,
  OUTPUT_MEMORY_SHARE,
} from "./connection-limits.ts";

/**
 * input: bytes that cannot be used yet (incomplete heads and lines, bytes read ahead). heads: large heads of requests
 * that have not got their whole response. output: bytes that a client has not taken.
 */
export type MemoryKind = "input" | "heads" | "output";
const KINDS: readonly MemoryKind[] = ["input", "heads", "output"];

export type MemoryLimits = Readonly<Record<MemoryKind, number>>;

/** A connection that can give up memory. */
export interface MemoryHolder {
  /** What it holds while it waits for its client. */
  sheddable(kind: MemoryKind): Holder;
  /** Gives it up. */
  shed(kind: MemoryKind): void;
}

/** The limits on a machine, or in a control group, with so much memory. */
export function memoryLimits(memoryBytes: number): MemoryLimits {
  return {
    input: INPUT_MEMORY_BYTES,
    heads: HEAD_MEMORY_BYTES,
    output: Math.max(OUTPUT_MEMORY_BYTES, Math.floor(memoryBytes * OUTPUT_MEMORY_SHARE)),
  };
}

export class ConnectionMemory {
  readonly input: MemoryBudget;
  readonly heads: MemoryBudget;
  readonly output: MemoryBudget;
  /** The connections of each engine. */
  readonly #holders: (() => readonly MemoryHolder[])[] = [];
  #isPlanned = false;

  constructor(limits: MemoryLimits) {
    this.input = this.#budget(limits.input);
    this.heads = this.#budget(limits.heads);
    this.output = this.#budget(limits.output);
  }

  /** Adds the connections of an engine, all engines share the limits. */
  addHolders(connections: () => readonly MemoryHolder[]): void {
    this.#holders.push(connections);
  }

  /** Called by the coarse clock: what could not be given up before may have come to wait for its client. */
  tick(): void {
    this.#shed();
  }

  #budget(limitBytes: number): MemoryBudget {
    const budget = new MemoryBudget(limitBytes);
    // After the call that took the memory: it is in the middle of a read or a write.
    budget.onOver = () => {
      if (this.#isPlanned) return;
      this.#isPlanned = true;
      queueMicrotask(() => this.#shed());
    };
    return budget;
  }

  #shed(): void {
    this.#isPlanned = false;
    for (const kind of KINDS) {
      const budget = this[kind];
      if (budget.isOver) this.#shedKind(kind, budget);
    }
  }

  #shedKind(kind: MemoryKind, budget: MemoryBudget): void {
    const holders = this.#holders
      .flatMap((connections) => connections())
      .flatMap((connection) => {
        const { since, bytes } = connection.sheddable(kind);
        return bytes > 0 ? [{ since, bytes, connection }] : [];
      });
    for (const { connection } of budget.choose(holders)) connection.shed(kind);
  }
}
