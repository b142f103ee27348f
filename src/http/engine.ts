// An engine holds all connections that speak one HTTP version. The listeners give sockets to an engine; the
// server calls an engine for what concerns its connections together. front/ and server.ts know engines only by
// this interface.

import type { Socket } from "node:net";

import type { HttpError } from "./error.ts";
import type { ConnectionFacts } from "./exchange.ts";

/** What is known of a connection when an engine gets it. */
export interface Arrival extends Pick<ConnectionFacts, "scheme" | "tls"> {
  /** Both ends where a proxy has named them; null = those of the socket. */
  readonly peers: Omit<ConnectionFacts, "scheme" | "tls"> | null;
}

/** A connection without TLS and without a proxy. */
export const PLAIN: Arrival = { scheme: "http", tls: null, peers: null };

export interface Engine {
  /** Open connections, the lingering ones included. */
  readonly size: number;
  /** Takes a connected socket, made with allowHalfOpen; after its TLS handshake. Default: PLAIN. */
  accept(socket: Socket, arrival?: Arrival): void;
  /** Responds to a socket with an error of the table (error.ts) and closes the connection. */
  refuse(socket: Socket, error: HttpError, arrival?: Arrival): void;
  /** Enforces all deadlines; to be called every TICK_MS (net/coarse-clock.ts). */
  tick(): void;
  /**
   * Closes idle connections at once and the others with their next response; resolves when none is left.
   * Connections that are accepted afterwards are drained as well.
   */
  drain(): Promise<void>;
  /** Ends every connection at once; handlers of running exchanges are told. */
  destroyAll(): void;
  /** Closes the `count` connections that have been idle longest. Returns how many were closed. */
  closeOldestIdle(count: number): number;
}
