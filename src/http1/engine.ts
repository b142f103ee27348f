// All HTTP/1.1 connections of a server: accepts sockets, enforces deadlines when the clock ticks, and closes
// connections when the server stops or descriptors run out.

import type { Socket } from "node:net";

import type { Engine } from "../http/engine.ts";
import type { HttpError } from "../http/error.ts";
import type { ConnectionFacts, Exchange } from "../http/exchange.ts";
import { machineMemoryBytes } from "../net/memory-budget.ts";
import { ConnectionMemory, memoryLimits, type MemoryLimits } from "./connection-memory.ts";
import { Http1Connection, type ConnectionContext } from "./connection.ts";
import { HEAD_LIMITS, HeadParser, type HeadLimits } from "./head-parser.ts";
import {
  DEFAULT_BODY_TIMEOUT_MS,
  DEFAULT_KEEP_ALIVE_MS,
  DEFAULT_MAX_BODY_BYTES,
  DRAIN_NEW_MS,
  HEAD_TIMEOUT_MS,
} from "./limits.ts";

export interface Http1Options {
  /** The largest body of a request → 413. */
  readonly maxBodyBytes?: number;
  /** A body that brings no byte for this time → 408; 0 = without limit. */
  readonly bodyTimeoutMs?: number;
  /** Of a request's head. */
  readonly headLimits?: HeadLimits;
  /** Bytes that all connections together keep for their clients. */
  readonly memoryLimits?: MemoryLimits;
  /** An idle connection is closed after this time. */
  readonly keepAliveMs?: number;
  /** Called once for each request, in order on one connection. Must not throw. */
  readonly onExchange: (exchange: Exchange) => void;
  /** Called exactly once for each exchange, when the response has been given or cannot be given. */
  readonly onFinish?: (exchange: Exchange) => void;
  /** Bytes were refused before they became an exchange; the address is "" for a Unix socket. */
  readonly onRefused?: (error: HttpError, remoteAddress: string) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Http1Engine implements Engine {
  /**
   * Each connection knows its index here. Not a Set: with short connections it would leave dead tables in
   * memory (docs/decisions/0007).
   */
  readonly #connections: Http1Connection[] = [];
  readonly #now: () => number;
  readonly #context: ConnectionContext & { now: number; isDraining: boolean };
  readonly #keepAliveMs: number;
  #onEmpty: (() => void)[] = [];

  constructor(options: Http1Options) {
    this.#keepAliveMs = options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
    this.#now = options.now ?? (() => performance.now());
    this.#context = {
      parser: new HeadParser(options.headLimits ?? HEAD_LIMITS),
      memory: new ConnectionMemory(
        options.memoryLimits ?? memoryLimits(machineMemoryBytes()),
        () => this.#connections,
      ),
      maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      bodyTimeoutMs: options.bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS,
      idleLimitMs: (isNew) => this.#idleLimitMs(isNew),
      now: this.#now(),
      isDraining: false,
      onExchange: options.onExchange,
      onFinish: options.onFinish ?? ignore,
      onRefused: options.onRefused ?? ignore,
      onClosed: (connection) => this.#remove(connection),
    };
  }

  get size(): number {
    return this.#connections.length;
  }

  accept(socket: Socket, scheme: ConnectionFacts["scheme"] = "http"): void {
    this.#add(socket, scheme);
  }

  refuse(socket: Socket, error: HttpError): void {
    this.#add(socket, "http").refuse(error);
  }

  tick(): void {
    const now = this.#now();
    this.#context.now = now;
    for (const connection of this.#all()) {
      try {
        connection.tick(now);
      } catch (error) {
        // A fault of ours in one connection ends it, and is told; the others have their deadlines all the same.
        connection.destroy();
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.#context.memory.tick();
  }

  drain(): Promise<void> {
    this.#context.isDraining = true;
    for (const connection of this.#all()) connection.drain();
    return new Promise((resolve) => {
      if (this.size === 0) resolve();
      else this.#onEmpty.push(resolve);
    });
  }

  destroyAll(): void {
    for (const connection of this.#all()) connection.destroy();
  }

  closeOldestIdle(count: number): number {
    const idle: Http1Connection[] = [];
    for (const connection of this.#connections)
      if (connection.idleSince !== Infinity) idle.push(connection);
    idle.sort((a, b) => a.idleSince - b.idleSince);
    const oldest = idle.slice(0, count);
    for (const connection of oldest) connection.destroy();
    return oldest.length;
  }

  #idleLimitMs(isNew: boolean): number {
    if (!isNew) return this.#keepAliveMs;
    return this.#context.isDraining ? DRAIN_NEW_MS : HEAD_TIMEOUT_MS;
  }

  /** A copy, because a call to one connection may remove it from the list. */
  #all(): Http1Connection[] {
    return [...this.#connections];
  }

  #add(socket: Socket, scheme: ConnectionFacts["scheme"]): Http1Connection {
    const connection = new Http1Connection(socket, scheme, this.#context);
    connection.index = this.#connections.length;
    this.#connections.push(connection);
    return connection;
  }

  #remove(connection: Http1Connection): void {
    const { index } = connection;
    if (index < 0) return;
    connection.index = -1;
    const last = this.#connections.pop();
    if (last !== undefined && last !== connection) {
      last.index = index;
      this.#connections[index] = last;
    }
    if (this.size > 0) return;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const resolve of waiting) resolve();
  }
}

function ignore(): void {
  // The default of a missing callback.
}
