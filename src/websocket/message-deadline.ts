// Ends a WebSocket whose client begins a message or a frame and does not go on with it: pongs alone would let it hold
// the memory of the message for ever. The timer runs only while something is unfinished, and is not touched by the
// messages in between.

import { BodyPace } from "../net/body-pace.ts";
import type { FrameReader } from "./frame-reader.ts";

/** Looks in a window. */
const CHECKS = 4;

type Unfinished = Pick<
  FrameReader,
  "isAtBoundary" | "isPaused" | "isWaiting" | "completed" | "receivedBytes"
>;

export class MessageDeadline {
  readonly #reader: Unfinished;
  readonly #onTooSlow: () => void;
  readonly #windowMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** Of the unfinished message, which has the number `#completed`. */
  #pace: BodyPace | null = null;
  #completed = 0;
  #receivedBytes = 0;
  #isStopped = false;

  /** `onTooSlow`: in a window of `windowMs` too few bytes of an unfinished message have come. */
  constructor(reader: Unfinished, onTooSlow: () => void, windowMs: number) {
    this.#reader = reader;
    this.#onTooSlow = onTooSlow;
    this.#windowMs = windowMs;
  }

  /** Bytes of the client have been read. */
  onInput(): void {
    if (this.#timer === undefined && !this.#reader.isAtBoundary && !this.#isStopped) this.#watch();
  }

  /** The application receives again; the time of its pause is not counted as slow. */
  resume(): void {
    this.#pace?.resume(performance.now());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#isStopped = true;
  }

  #watch(): void {
    const { completed, receivedBytes } = this.#reader;
    if (this.#pace === null || completed !== this.#completed) {
      this.#pace = new BodyPace(0, performance.now(), this.#windowMs);
      this.#completed = completed;
      this.#receivedBytes = receivedBytes;
    }
    // After pending input: when the process continues after SIGSTOP, the rest may already be in the socket.
    const look = (): void => void setImmediate(() => this.#look());
    this.#timer = setTimeout(look, this.#windowMs / CHECKS).unref();
  }

  #look(): void {
    this.#timer = undefined;
    const reader = this.#reader;
    if (this.#isStopped || this.#pace === null || reader.isAtBoundary) {
      this.#pace = null;
      return;
    }
    if (reader.completed === this.#completed && this.#isTooSlow(this.#pace)) this.#onTooSlow();
    else this.#watch();
  }

  #isTooSlow(pace: BodyPace): boolean {
    const { isPaused, isWaiting, receivedBytes } = this.#reader;
    pace.count(receivedBytes - this.#receivedBytes);
    this.#receivedBytes = receivedBytes;
    const now = performance.now();
    if (!isPaused && !isWaiting) return pace.isTooSlow(now, false);
    pace.resume(now);
    return false;
  }
}
