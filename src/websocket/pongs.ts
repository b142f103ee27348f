// Answers to a client's pings. One that pings and does not read gets one pong in the end: of pings that
// could not be answered yet only the newest has to be (RFC 6455 §5.5.3).

import type { Duplex } from "node:stream";

import type { FrameWriter } from "./frame-writer.ts";

/** With so many bytes waiting for the client pongs wait as well. */
const CONGESTED_BYTES = 65_536;

export class Pongs {
  readonly #socket: Duplex;
  readonly #writer: FrameWriter;
  #owed: Buffer | null = null;

  constructor(socket: Duplex, writer: FrameWriter) {
    this.#socket = socket;
    this.#writer = writer;
  }

  /** A ping has come. */
  owe(payload: Buffer): void {
    this.#owed = payload;
    if (this.#socket.writableLength < CONGESTED_BYTES) this.pay();
  }

  /** There is room. */
  pay(): void {
    const payload = this.#owed;
    this.#owed = null;
    if (payload !== null) this.#writer.pong(payload);
  }

  /** None may be sent any more. */
  stop(): void {
    this.#owed = null;
  }
}
