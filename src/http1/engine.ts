// All HTTP/1.1 connections of a server: accepts sockets, enforces deadlines when the clock ticks, and closes
// connections when the server stops or descriptors run out.

import type { Socket } from "node:net";

import { PLAIN, type Arrival, type Engine } from "../http/engine.ts";
import type { HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import { DEFAULT_BODY_TIMEOUT_MS, DEFAULT_MAX_BODY_BYTES } from "../net/connection-limits.ts";
import { EngineConnections, type EngineConnectionsOptions } from "../net/engine-connections.ts";
import { Http1Connection, type ConnectionContext } from "./connection.ts";
import { HEAD_LIMITS, HeadParser, type HeadLimits } from "./head-parser.ts";

export interface Http1Options extends EngineConnectionsOptions {
  /** The largest body of a request → 413. */
  readonly maxBodyBytes?: number;
  /** A body that brings no byte for this time → 408; 0 = without limit. */
  readonly bodyTimeoutMs?: number;
  /** Of a request's head. */
  readonly headLimits?: HeadLimits;
  /** Strict-Transport-Security of responses over TLS; "" = none. */
  readonly hsts?: string;
  /** Called once for each request, in order on one connection. Must not throw. */
  readonly onExchange: (exchange: Exchange) => void;
  /** Called exactly once for each exchange, when the response has been given or cannot be given. */
  readonly onFinish?: (exchange: Exchange) => void;
  /** Bytes were refused before they became an exchange; the address is "" for a Unix socket. */
  readonly onRefused?: (error: HttpError, remoteAddress: string) => void;
}

export class Http1Engine extends EngineConnections<Http1Connection> implements Engine {
  protected readonly context: ConnectionContext & { now: number; isDraining: boolean };

  constructor(options: Http1Options) {
    super(options);
    this.context = {
      parser: new HeadParser(options.headLimits ?? HEAD_LIMITS),
      memory: this.memory,
      maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      bodyTimeoutMs: options.bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS,
      hsts: options.hsts ?? "",
      idleLimitMs: (isNew) => this.idleLimitMs(isNew),
      now: this.now(),
      isDraining: false,
      onExchange: options.onExchange,
      onFinish: options.onFinish ?? ignore,
      onRefused: options.onRefused ?? ignore,
      onClosed: (connection) => this.connections.remove(connection),
    };
  }

  accept(socket: Socket, arrival: Arrival = PLAIN): void {
    this.#add(socket, arrival);
  }

  refuse(socket: Socket, error: HttpError, arrival: Arrival = PLAIN): void {
    this.#add(socket, arrival).refuse(error);
  }

  #add(socket: Socket, arrival: Arrival): Http1Connection {
    const connection = new Http1Connection(socket, arrival, this.context);
    this.connections.add(connection);
    return connection;
  }
}

function ignore(): void {
  // The default of a missing callback.
}
