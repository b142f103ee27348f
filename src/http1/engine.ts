// All HTTP/1.1 connections of a server: accepts sockets, enforces deadlines when the clock ticks, and closes
// connections when the server stops or descriptors run out.

import type { Socket } from "node:net";

import { PLAIN, type Arrival, type Engine } from "../http/engine.ts";
import type { HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import {
  DEFAULT_BODY_TIMEOUT_MS,
  DEFAULT_KEEP_ALIVE_MS,
  DEFAULT_MAX_BODY_BYTES,
  DRAIN_NEW_MS,
  HEAD_TIMEOUT_MS,
} from "../net/connection-limits.ts";
import { ConnectionList } from "../net/connection-list.ts";
import { ConnectionMemory, memoryLimits } from "../net/connection-memory.ts";
import { machineMemoryBytes } from "../net/memory-budget.ts";
import { Http1Connection, type ConnectionContext } from "./connection.ts";
import { HEAD_LIMITS, HeadParser, type HeadLimits } from "./head-parser.ts";

export interface Http1Options {
  /** The largest body of a request → 413. */
  readonly maxBodyBytes?: number;
  /** A body that brings no byte for this time → 408; 0 = without limit. */
  readonly bodyTimeoutMs?: number;
  /** Of a request's head. */
  readonly headLimits?: HeadLimits;
  /** Memory that all connections of the server together keep for their clients. */
  readonly memory?: ConnectionMemory;
  /** An idle connection is closed after this time. */
  readonly keepAliveMs?: number;
  /** Strict-Transport-Security of responses over TLS; "" = none. */
  readonly hsts?: string;
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
  readonly #connections = new ConnectionList<Http1Connection>();
  readonly #now: () => number;
  readonly #context: ConnectionContext & { now: number; isDraining: boolean };
  readonly #keepAliveMs: number;

  constructor(options: Http1Options) {
    this.#keepAliveMs = options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
    this.#now = options.now ?? (() => performance.now());
    const memory = options.memory ?? new ConnectionMemory(memoryLimits(machineMemoryBytes()));
    memory.addHolders(() => this.#connections.all);
    this.#context = {
      parser: new HeadParser(options.headLimits ?? HEAD_LIMITS),
      memory,
      maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      bodyTimeoutMs: options.bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS,
      hsts: options.hsts ?? "",
      idleLimitMs: (isNew) => this.#idleLimitMs(isNew),
      now: this.#now(),
      isDraining: false,
      onExchange: options.onExchange,
      onFinish: options.onFinish ?? ignore,
      onRefused: options.onRefused ?? ignore,
      onClosed: (connection) => this.#connections.remove(connection),
    };
  }

  get size(): number {
    return this.#connections.size;
  }

  accept(socket: Socket, arrival: Arrival = PLAIN): void {
    this.#add(socket, arrival);
  }

  refuse(socket: Socket, error: HttpError, arrival: Arrival = PLAIN): void {
    this.#add(socket, arrival).refuse(error);
  }

  tick(): void {
    const now = this.#now();
    this.#context.now = now;
    this.#connections.tick(now);
    this.#context.memory.tick();
  }

  drain(): Promise<void> {
    this.#context.isDraining = true;
    return this.#connections.drain();
  }

  destroyAll(): void {
    this.#connections.destroyAll();
  }

  closeOldestIdle(count: number): number {
    return this.#connections.closeOldestIdle(count);
  }

  #idleLimitMs(isNew: boolean): number {
    if (!isNew) return this.#keepAliveMs;
    return this.#context.isDraining ? DRAIN_NEW_MS : HEAD_TIMEOUT_MS;
  }

  #add(socket: Socket, arrival: Arrival): Http1Connection {
    const connection = new Http1Connection(socket, arrival, this.#context);
    this.#connections.add(connection);
    return connection;
  }
}

function ignore(): void {
  // The default of a missing callback.
}
