// All HTTP/2 connections of a server: accepts sockets after ALPN or with prior knowledge (RFC 9113 §3), enforces
// deadlines when the clock ticks, and closes connections when the server stops or descriptors run out.

import type { Socket } from "node:net";

import { PLAIN, type Arrival, type Engine } from "../http/engine.ts";
import type { HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import {
  DEFAULT_BODY_TIMEOUT_MS,
  DEFAULT_MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
  MAX_REQUEST_LINE_BYTES,
} from "../net/connection-limits.ts";
import { EngineConnections, type EngineConnectionsOptions } from "../net/engine-connections.ts";
import { type ConnectionContext, Http2Connection } from "./connection.ts";
import { FieldList } from "./hpack-decoder.ts";

export interface Http2Options extends EngineConnectionsOptions {
  /** The largest body of a request → 413. */
  readonly maxBodyBytes?: number;
  /** A body that brings no byte for this time → 408; 0 = without limit. */
  readonly bodyTimeoutMs?: number;
  /** Bytes of method and target as a request line → 414, and of all fields → 431. */
  readonly headLimits?: { readonly lineBytes: number; readonly headBytes: number };
  /** Strict-Transport-Security of each response over TLS; "" = none. */
  readonly hsts?: string;
  /** Called once for each request, in order on one connection. Must not throw. */
  readonly onExchange: (exchange: Exchange) => void;
  /** Called exactly once for each exchange, when the response has been given or cannot be given. */
  readonly onFinish?: (exchange: Exchange) => void;
  /** A request or a connection was refused before there was an exchange; the address is "" for a Unix socket. */
  readonly onRefused?: (error: HttpError, remoteAddress: string) => void;
}

const HEAD_LIMITS = { lineBytes: MAX_REQUEST_LINE_BYTES, headBytes: MAX_HEAD_BYTES };

export class Http2Engine extends EngineConnections<Http2Connection> implements Engine {
  protected readonly context: ConnectionContext & { now: number; isDraining: boolean };

  constructor(options: Http2Options) {
    super(options);
    const { lineBytes, headBytes } = options.headLimits ?? HEAD_LIMITS;
    this.context = {
      memory: this.memory,
      // The crumbs of a Cookie are fields here, so that only the bytes limit their number.
      fields: new FieldList(headBytes, Infinity),
      lineBytes,
      headBytes,
      hsts: options.hsts ?? "",
      maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      bodyTimeoutMs: options.bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS,
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

  #add(socket: Socket, arrival: Arrival): Http2Connection {
    const connection = new Http2Connection(socket, arrival, this.context);
    this.connections.add(connection);
    return connection;
  }
}

function ignore(): void {
  // The default of a missing callback.
}
