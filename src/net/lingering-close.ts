// The end of a connection after our last byte (RFC 9112 §9.6). Our side is closed, and the peer's bytes are
// read and dropped for a while: closing with unread input makes the kernel send RST, which can destroy our last
// bytes on their way. Bounded in time and bytes, so that no peer stays by sending on.

import type { Duplex } from "node:stream";

import { STALLED_READER_MS } from "./connection-limits.ts";

/** How long the peer may go on sending after our last byte, and how much. */
export const LINGER_MS = 2000;
export const LINGER_BYTES = 16_777_216;

/** Made when the peer's bytes are no longer needed; the owner calls `stream.end()`. */
export class LingeringClose {
  readonly #stream: Duplex;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#awaitFinish();
    stream.once("finish", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => stream.destroy(), LINGER_MS).unref();
    });
    stream.once("close", () => clearTimeout(this.#timer));
  }

  // Bytes that the peer does not take have deadlines of their owner. The end of TLS behind them is a message too, which
  // a peer may refuse to take.
  #awaitFinish(): void {
    this.#timer = setTimeout(() => {
      if (this.#stream.writableLength === 0) this.#stream.destroy();
      else this.#awaitFinish();
    }, STALLED_READER_MS).unref();
  }

  /** Counts bytes that the peer has sent; too many end the connection. */
  drop(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > LINGER_BYTES) this.#stream.destroy();
  }
}
