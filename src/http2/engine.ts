// All HTTP/2 connections of a server: accepts sockets after ALPN or with prior knowledge (RFC 9113 §3), enforces
// deadlines when the clock ticks, and closes connections when the server stops or descriptors run out.

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
  MAX_HEAD_BYTES,
  MAX_REQUEST_LINE_BYTES,
} from "../net/connection-limits.ts";
import { ConnectionList } from "../net/connection-list.ts";
import { ConnectionMemory, memoryLimits } from "../net/connection-memory.ts";
import { machineMemoryBytes } from "../net/memory-budget.ts";
import { type ConnectionContext, Http2Connection } from "./connection.ts";
import { FieldList } from "./hpack-decoder.ts";

export interface Http2Options {
  /** The largest body of a request → 413. */
  readonly maxBodyBytes?: number;
  /** A body that brings no byte for this time → 408; 0 = without limit. */
  readonly bodyTimeoutMs?: number;
  /** Bytes of method and target as a request line → 414, and of all fields → 431. */
  readonly headLimits?: { readonly lineBytes: number; readonly headBytes: number };
  /** Strict-Transport-Security of each response over TLS; "" = none. */
  readonly hsts?: string;
  /** Memory that all connections of the server together keep for their clients. */
  readonly memory?: ConnectionMemory;
  /** An idle connection is closed after this time. */
  readonly keepAliveMs?: number;
  /** Called once for each request, in order on one connection. Must not throw. */
  readonly onExchange: (exchange: Exchange) => void;
  /** Called exactly once for each exchange, when the response has been given or cannot be given. */
  readonly onFinish?: (exchange: Exchange) => void;
  /** A request or a connection was refused before there was an exchange; the address is "" for a Unix socket. */
  readonly onRefused?: (error: HttpError, remoteAddress: string) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

const HEAD_LIMITS = { lineBytes: MAX_REQUEST_LINE_BYTES, headBytes: MAX_HEAD_BYTES };

export class Http2Engine implements Engine {
  readonly #connections = new ConnectionList<Http2Connection>();
  readonly #now: () => number;
  readonly #context: ConnectionContext & { now: number; isDraining: boolean };
  readonly #keepAliveMs: number;

  constructor(options: Http2Options) {
    this.#keepAliveMs = options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
    this.#now = options.now ?? (() => performance.now());
    const memory = options.memory ?? new ConnectionMemory(memoryLimits(machineMemoryBytes()));
    memory.addHolders(() => this.#connections.all);
    const { lineBytes, headBytes } = options.headLimits ?? HEAD_LIMITS;
    this.#context = {
      memory,
      // The crumbs of a Cookie are fields here, so that only the bytes limit their number.
      fields: new FieldList(headBytes, Infinity),
      lineBytes,
      headBytes,
      hsts: options.hsts ?? "",
      maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      bodyTimeoutMs: options.bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS,
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

  #add(socket: Socket, arrival: Arrival): Http2Connection {
    const connection = new Http2Connection(socket, arrival, this.#context);
    this.#connections.add(connection);
    return connection;
  }
}

function ignore(): void {
  // The default of a missing callback.
}
