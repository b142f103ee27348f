// All HTTP/1.1 connections of a front: accepts sockets, looks at every deadline when the clock ticks, and
// lets the connections go when the server stops or descriptors run out.

import type { Socket } from "node:net";

import type { HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import type { ConnectionContext } from "./connection-context.ts";
import { Http1Connection } from "./connection.ts";
import { HeadParser } from "./head-parser.ts";
import {
  DEFAULT_KEEP_ALIVE_MS,
  DEFAULT_MAX_BODY_BYTES,
  DRAIN_NEW_MS,
  HEAD_TIMEOUT_MS,
} from "./limits.ts";

export interface Http1Options {
  /** Bytes of a request's body → 413. */
  readonly maxBodyBytes?: number;
  /** An idle connection is closed after so long. */
  readonly keepAliveMs?: number;
  /** A request is there; called once for each, in order on one connection. Must not throw. */
  readonly onExchange: (exchange: Exchange) => void;
  /** Its answer has been given or cannot be: exactly once for each exchange. */
  readonly onFinish?: (exchange: Exchange) => void;
  /** Bytes that made no exchange were refused; the address is "" for a Unix socket. */
  readonly onRefused?: (error: HttpError, remoteAddress: string) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Http1Connections {
  /** Each knows its place. A Set would do what workers/jobs-by-id.ts tells of a Map, where clients do not stay. */
  readonly #connections: Http1Connection[] = [];
  readonly #now: () => number;
  readonly #context: ConnectionContext<Http1Connection> & { now: number; isDraining: boolean };
  readonly #keepAliveMs: number;
  #onEmpty: (() => void)[] = [];

  constructor(options: Http1Options) {
    this.#keepAliveMs = options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
    this.#now = options.now ?? (() => performance.now());
    this.#context = {
      parser: new HeadParser(),
      maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      idleLimitMs: (isNew) => this.#idleLimitMs(isNew),
      now: this.#now(),
      isDraining: false,
      onExchange: options.onExchange,
      onFinish: options.onFinish ?? ignore,
      onRefused: options.onRefused ?? ignore,
      onClosed: (connection) => this.#forget(connection),
    };
  }

  /** Open connections, those that linger included. */
  get size(): number {
    return this.#connections.length;
  }

  /** Takes a connected socket, made with allowHalfOpen. */
  accept(socket: Socket): void {
    this.#add(new Http1Connection(socket, this.#context));
  }

  /** Takes a socket only to answer it with an error of the table. */
  refuse(socket: Socket, error: HttpError): void {
    const connection = new Http1Connection(socket, this.#context);
    this.#add(connection);
    connection.refuse(error);
  }

  /** Looks at all deadlines; to be called every TICK_MS. */
  tick(): void {
    const now = this.#now();
    this.#context.now = now;
    for (const connection of this.#all()) connection.tick(now);
  }

  /**
   * Closes idle connections at once and the others with their next answer; resolves when none is left.
   * For ever: connections that come later are drained as well.
   */
  drain(): Promise<void> {
    this.#context.isDraining = true;
    for (const connection of this.#all()) connection.drain();
    return new Promise((resolve) => {
      if (this.size === 0) resolve();
      else this.#onEmpty.push(resolve);
    });
  }

  /** Cuts every connection; running exchanges are told. */
  destroyAll(): void {
    for (const connection of this.#all()) connection.destroy();
  }

  /** Closes the `count` connections that have been idle longest, at once. Returns how many there were. */
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

  /** All of now: what is done to one may end it. */
  #all(): Http1Connection[] {
    return [...this.#connections];
  }

  #add(connection: Http1Connection): void {
    connection.place = this.#connections.length;
    this.#connections.push(connection);
  }

  #forget(connection: Http1Connection): void {
    const { place } = connection;
    if (place < 0) return;
    connection.place = -1;
    const last = this.#connections.pop();
    if (last !== undefined && last !== connection) {
      last.place = place;
      this.#connections[place] = last;
    }
    if (this.size > 0) return;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const resolve of waiting) resolve();
  }
}

function ignore(): void {
  // Nobody listens.
}
