// Bytes of one socket on their way to the reader of frames, and when the socket is read: not while more
// has come than may be given on. What a read brings is valid during its event only, so it is copied.

import type { Duplex, Writable } from "node:stream";

export interface InflowOptions {
  readonly socket: Duplex;
  /** The reader of frames; what it says comes while it is written to, or later. */
  readonly receiver: Writable;
  /** Bytes given to it at a time: between two it may be stopped. */
  readonly stepBytes: number;
  /** All has been read, and the client has ended its sending side. */
  readonly onEnd: () => void;
}

export class Inflow {
  readonly #options: InflowOptions;
  /** Bytes that have come and were not given on. */
  #unread: Buffer | null = null;
  /** held: whoever hears the messages has enough. over: nobody reads any more, what comes is dropped. */
  #state: "flowing" | "held" | "over" = "flowing";
  #hasEnded = false;
  #isSocketPaused = false;
  /** Whether the loop over unread bytes is on the stack. */
  #isFeeding = false;
  /** Whether the receiver is at work on what it was given last. */
  #isInflating = false;

  constructor(options: InflowOptions) {
    this.#options = options;
  }

  get isHeld(): boolean {
    return this.#state === "held";
  }

  /** Bytes have come, which are valid during the call only. */
  push(chunk: Buffer): void {
    if (this.#state === "over") return;
    const bytes = Buffer.from(chunk);
    this.#unread = this.#unread === null ? bytes : Buffer.concat([this.#unread, bytes]);
    this.#feed();
  }

  /** The client has ended its sending side. */
  end(): void {
    this.#hasEnded = true;
    this.#feed();
  }

  /** Stops; what the receiver has been given may still come out of it. */
  hold(): void {
    if (this.#state !== "flowing") return;
    this.#state = "held";
    this.#steer();
  }

  resume(): void {
    if (this.#state !== "held") return;
    this.#state = "flowing";
    this.#feed();
  }

  /** The receiver gets nothing more, and what the socket still brings is the caller's to drop. */
  stop(): void {
    this.#state = "over";
    this.#unread = null;
    this.#steer();
  }

  #feed(): void {
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    const { receiver, stepBytes } = this.#options;
    while (this.#unread !== null && !this.#isInflating && this.#state === "flowing") {
      const bytes: Buffer = this.#unread;
      this.#unread = bytes.length > stepBytes ? bytes.subarray(stepBytes) : null;
      receiver.write(bytes.subarray(0, stepBytes), () => this.#onFed());
      this.#isInflating = receiver.writableLength > 0;
    }
    this.#isFeeding = false;
    this.#steer();
    const isAllRead = this.#unread === null && !this.#isInflating;
    if (this.#hasEnded && isAllRead && this.#state !== "over") this.#options.onEnd();
  }

  #onFed(): void {
    if (!this.#isInflating) return;
    this.#isInflating = this.#options.receiver.writableLength > 0;
    this.#feed();
  }

  // The socket flows while nothing waits in front of the receiver.
  #steer(): void {
    const mustPause = this.#state === "held" || this.#unread !== null;
    if (mustPause === this.#isSocketPaused) return;
    this.#isSocketPaused = mustPause;
    if (mustPause) this.#options.socket.pause();
    else this.#options.socket.resume();
  }
}
