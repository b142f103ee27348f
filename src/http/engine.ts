// All connections that speak one HTTP version. The listeners give sockets to an engine, the server asks it
// for everything that concerns connections together. front/ and server.ts know no engine but by this.

import type { Socket } from "node:net";

import type { HttpError } from "./error.ts";
import type { ConnectionFacts } from "./exchange.ts";

export interface Engine {
  /** Open connections, the lingering ones included. */
  readonly size: number;
  /** Takes a connected socket, made with allowHalfOpen. */
  accept(socket: Socket, scheme?: ConnectionFacts["scheme"]): void;
  /** Takes a socket only to respond with an error of the table. */
  refuse(socket: Socket, error: HttpError): void;
  /** Looks at all deadlines; to be called every TICK_MS (net/coarse-clock.ts). */
  tick(): void;
  /**
   * Closes idle connections at once and the others with their next response; resolves when none is left.
   * For ever: connections that come later are drained as well.
   */
  drain(): Promise<void>;
  /** Ends every connection at once; handlers of running exchanges are told. */
  destroyAll(): void;
  /** Closes the `count` connections that have been idle longest, at once. Returns how many there were. */
  closeOldestIdle(count: number): number;
}
