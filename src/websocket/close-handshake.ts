// The end of a connection after the closing handshake has begun (RFC 6455 §7.1): how long each step may take,
// and the lingering close. The server ends its sending side first and then drops what the client still sends,
// for a while: closing a socket with unread input makes the kernel send RST, which can destroy our close frame
// on its way to the client.

import type { Duplex } from "node:stream";

import { LINGER_BYTES, LINGER_MS } from "./limits.ts";

export class CloseHandshake {
  readonly #stream: Duplex;
  #droppedBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    // All our bytes are sent; the client has a last moment to read them and to close.
    stream.on("finish", () => this.limit(LINGER_MS));
  }

  /** Gives the next step so much time, in place of the step before; then acts, by default cuts the connection. */
  limit(ms: number, onTimeout: () => void = () => this.#stream.destroy()): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(onTimeout, ms).unref();
  }

  /** Counts bytes of the client that are dropped, and cuts a client that goes on sending. */
  drop(bytes: number): void {
    this.#droppedBytes += bytes;
    if (this.#droppedBytes > LINGER_BYTES) this.#stream.destroy();
  }

  /** The stream has closed. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
