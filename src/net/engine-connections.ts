// What an engine does with all of its connections together, whatever their HTTP version: ticks, draining, closing idle
// ones. The engine makes the connections, and what they share.

import { DEFAULT_KEEP_ALIVE_MS, DRAIN_NEW_MS, HEAD_TIMEOUT_MS } from "./connection-limits.ts";
import { ConnectionList, type ListedConnection } from "./connection-list.ts";
import { ConnectionMemory, memoryLimits, type MemoryHolder } from "./connection-memory.ts";
import { machineMemoryBytes } from "./memory-budget.ts";

export interface EngineConnectionsOptions {
  /** Memory that all connections of the server together keep for their clients. */
  readonly memory?: ConnectionMemory;
  /** An idle connection is closed after this time. */
  readonly keepAliveMs?: number;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

/** The part of what connections share that changes. */
interface Moment {
  /** Time of the last tick, ms. */
  now: number;
  isDraining: boolean;
}

export abstract class EngineConnections<C extends ListedConnection & MemoryHolder> {
  protected readonly connections = new ConnectionList<C>();
  protected readonly memory: ConnectionMemory;
  protected readonly now: () => number;
  protected abstract readonly context: Moment;
  readonly #keepAliveMs: number;

  constructor({ memory, keepAliveMs, now }: EngineConnectionsOptions) {
    this.memory = memory ?? new ConnectionMemory(memoryLimits(machineMemoryBytes()));
    this.memory.addHolders(() => this.connections.all);
    this.now = now ?? (() => performance.now());
    this.#keepAliveMs = keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
  }

  get size(): number {
    return this.connections.size;
  }

  tick(): void {
    const now = this.now();
    this.context.now = now;
    this.connections.tick(now);
    this.memory.tick();
  }

  drain(): Promise<void> {
    this.context.isDraining = true;
    return this.connections.drain();
  }

  destroyAll(): void {
    this.connections.destroyAll();
  }

  closeOldestIdle(count: number): number {
    return this.connections.closeOldestIdle(count);
  }

  /** How long an idle connection stays open. `isNew`: no request has come on it yet. */
  protected idleLimitMs(isNew: boolean): number {
    if (!isNew) return this.#keepAliveMs;
    return this.context.isDraining ? DRAIN_NEW_MS : HEAD_TIMEOUT_MS;
  }
}
