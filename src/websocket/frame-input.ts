// Passes a client's bytes from the stream to the frame reader. The stream is paused while bytes wait here, so
// at most one read waits. The bytes of a read are valid during its "data" event only: bytes that have to wait
// are copied.

import type { Duplex } from "node:stream";

import type { FrameReader } from "./frame-reader.ts";

export class FrameInput {
  readonly #stream: Duplex;
  readonly #reader: FrameReader;
  readonly #onEnd: () => void;
  /** Bytes that the reader has not taken. */
  #unread: Buffer | null = null;
  /** paused: the listener wants no more messages. over: nothing is read, bytes of the client are dropped. */
  #state: "flowing" | "paused" | "over" = "flowing";
  #hasEnded = false;
  #isStreamPaused = false;
  /** Whether `feed` is running: the reader's listener may call it again. */
  #isFeeding = false;

  /** `onEnd`: all bytes are read, and the client has ended its sending side. */
  constructor(stream: Duplex, reader: FrameReader, onEnd: () => void) {
    this.#stream = stream;
    this.#reader = reader;
    this.#onEnd = onEnd;
  }

  get isPaused(): boolean {
    return this.#state === "paused";
  }

  /** Memory of a message that has begun and is not whole. */
  get unfinishedBytes(): number {
    return this.#reader.heldBytes;
  }

  /** Memory of that message, and bytes that the reader has not taken. */
  get heldBytes(): number {
    return this.#reader.heldBytes + (this.#unread?.length ?? 0);
  }

  /** Takes bytes of the client, which are valid during the call only. */
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

  /** Pauses at once, or behind the message that zlib's threads inflate. */
  pause(): void {
    if (this.#state !== "flowing") return;
    this.#state = "paused";
    this.#reader.isPaused = true;
    this.#steerStream();
  }

  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "flowing";
    this.#reader.isPaused = false;
    this.feed();
  }

  /** Ends reading. The stream flows on, and the caller drops its bytes. */
  stop(): void {
    this.#state = "over";
    this.#reader.stop();
    this.#unread = null;
    this.#steerStream();
  }

  /** Gives the reader the bytes that it can take now. */
  feed(): void {
    if (this.#isFeeding) return;
    const reader = this.#reader;
    this.#isFeeding = true;
    while (this.#unread !== null && this.#state === "flowing" && !reader.isWaiting) {
      const bytes: Buffer = this.#unread;
      const read = reader.read(bytes);
      this.#unread = read < bytes.length ? bytes.subarray(read) : null;
    }
    this.#isFeeding = false;
    this.#steerStream();
    const isAllRead = this.#unread === null && !reader.isWaiting;
    if (this.#hasEnded && isAllRead && this.#state !== "over") this.#onEnd();
  }

  #steerStream(): void {
    const mustPause = this.#state === "paused" || this.#unread !== null;
    if (mustPause === this.#isStreamPaused) return;
    this.#isStreamPaused = mustPause;
    if (mustPause) this.#stream.pause();
    else this.#stream.resume();
  }
}
