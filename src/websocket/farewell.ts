// The last part of a connection, seen from its socket: our close frame, then the end of our sending side,
// and how long and how much the client may still send, so that it reads our last frame.

import type { Duplex } from "node:stream";

import type { FrameWriter } from "./frame-writer.ts";
import { LINGER_BYTES, LINGER_MS } from "./limits.ts";

export class Farewell {
  readonly #socket: Duplex;
  readonly #writer: FrameWriter;
  /** Whether our close frame is out, and whether nothing of the client's is awaited any more. */
  #isSaid = false;
  #isLast = false;
  #lateBytes = 0;
  #deadline: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, writer: FrameWriter) {
    this.#socket = socket;
    this.#writer = writer;
    socket.on("finish", () => this.cutAfter(LINGER_MS));
  }

  /** Sends our close frame, once. `code`: one that may be sent, or 1005 for none. */
  say(code: number, reason: string): void {
    this.#writer.close(code, reason, () => {
      this.#isSaid = true;
      if (this.#isLast) this.#socket.end();
    });
  }

  /** Nothing more is awaited: the connection ends when our close frame is out, at the latest in `ms`. */
  end(ms: number): void {
    this.#isLast = true;
    this.cutAfter(ms);
    if (this.#isSaid) this.#socket.end();
  }

  /** Bytes have come that nobody reads. */
  drop(bytes: number): void {
    this.#lateBytes += bytes;
    if (this.#lateBytes > LINGER_BYTES) this.#socket.destroy();
  }

  cutAfter(ms: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#socket.destroy(), ms).unref();
  }

  /** The socket is closed. */
  stop(): void {
    clearTimeout(this.#deadline);
  }
}
