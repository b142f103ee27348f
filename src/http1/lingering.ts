// The end of a connection behind its last answer: our side is closed, the client's bytes are read and
// dropped for a while, because closing with unread input makes the kernel send RST, which can destroy the
// answer on its way. Bounded in time and bytes, so that nobody stays by sending on.

import type { Socket } from "node:net";

import { LINGER_BYTES, LINGER_MS } from "./limits.ts";
import type { Output } from "./output.ts";

export class Lingering {
  readonly #socket: Socket;
  readonly #output: Output;
  #bytes = 0;
  /** When our last byte had been sent; 0 = not yet. */
  #since = 0;

  constructor(socket: Socket, output: Output) {
    this.#socket = socket;
    this.#output = output;
    this.endSocket();
  }

  /** Closes our side when all that waits has been given to the socket. */
  endSocket(): void {
    if (!this.#output.isFull) this.#socket.end();
  }

  /** Drops bytes of the client; false: there were too many. */
  takes(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes <= LINGER_BYTES;
  }

  /** Whether the client has had its time to read; asked at each tick. */
  isOver(now: number): boolean {
    if (!this.#output.isEmpty) return false;
    if (this.#since === 0) this.#since = now;
    return now - this.#since >= LINGER_MS;
  }
}
