// Bytes of one socket on their way to the reader of frames, and when the socket is read: not while more
// has come than may be given on. What a read brings is valid during its event only; what of it has to wait
// is copied.

import type { Duplex } from "node:stream";

import type { FrameReader } from "./frame-reader.ts";

export interface InflowOptions {
  readonly socket: Duplex;
  readonly reader: FrameReader;
  /** All has been read, and the client has ended its sending side. */
  readonly onEnd: () => void;
}

export class Inflow {
  readonly #options: InflowOptions;
  /** Bytes that have come and were not read. */
  #unread: Buffer | null = null;
  /** held: whoever hears the messages has enough. over: nobody reads any more, what comes is dropped. */
  #state: "flowing" | "held" | "over" = "flowing";
  #hasEnded = false;
  #isSocketPaused = false;
  /** Whether the loop over unread bytes is on the stack. */
  #isFeeding = false;

  constructor(options: InflowOptions) {
    this.#options = options;
  }

  get isHeld(): boolean {
    return this.#state === "held";
  }

  /** Bytes have come, which are valid during the call only. */
  push(chunk: Buffer): void {
    if (this.#state === "over") return;
    this.#unread = this.#unread === null ? chunk : Buffer.concat([this.#unread, chunk]);
    this.feed();
    if (this.#unread !== null) this.#unread = Buffer.from(this.#unread);
  }

  /** The client has ended its sending side. */
  end(): void {
    this.#hasEnded = true;
    this.feed();
  }

  /** Stops; what is read already, to the end of its chunk or to a frame that has to be inflated, still comes. */
  hold(): void {
    if (this.#state !== "flowing") return;
    this.#state = "held";
    this.#steer();
  }

  resume(): void {
    if (this.#state !== "held") return;
    this.#state = "flowing";
    this.feed();
  }

  /** The reader gets nothing more, and what the socket still brings is the caller's to drop. */
  stop(): void {
    this.#state = "over";
    this.#options.reader.stop();
    this.#unread = null;
    this.#steer();
  }

  /** Gives the reader what it can take. */
  feed(): void {
    if (this.#isFeeding) return;
    const { reader, onEnd } = this.#options;
    this.#isFeeding = true;
    while (this.#unread !== null && this.#state === "flowing" && !reader.isWaiting) {
      const bytes: Buffer = this.#unread;
      const read = reader.read(bytes);
      this.#unread = read < bytes.length ? bytes.subarray(read) : null;
    }
    this.#isFeeding = false;
    this.#steer();
    const isAllRead = this.#unread === null && !reader.isWaiting;
    if (this.#hasEnded && isAllRead && this.#state !== "over") onEnd();
  }

  // The socket flows while nothing waits in front of the reader.
  #steer(): void {
    const mustPause = this.#state === "held" || this.#unread !== null;
    if (mustPause === this.#isSocketPaused) return;
    this.#isSocketPaused = mustPause;
    if (mustPause) this.#options.socket.pause();
    else this.#options.socket.resume();
  }
}
