// Whether the body of a request comes soon enough: how long no byte may come, and for a body that the server waits
// for as a whole, how many bytes must come in a window and in all. Pure: the caller has the time.

import {
  BODY_BYTES_PER_SECOND,
  BODY_GRACE_MS,
  BODY_WINDOW_MS,
  MIN_BODY_BYTES_PER_SECOND,
} from "./connection-limits.ts";

export class BodyPace {
  readonly #silenceMs: number;
  readonly #windowMs: number;
  /** When the body must be whole; each byte before this window has moved it. */
  #deadline: number;
  #windowStart: number;
  #windowBytes = 0;
  /** Bytes of the window that an earlier tick has seen, and the tick that saw the last new bytes. */
  #seenBytes = 0;
  #seenAt: number;

  /** The server begins to take the body. `silenceMs`: how long no byte may come, 0 = without limit. */
  constructor(silenceMs: number, now: number, windowMs = BODY_WINDOW_MS) {
    this.#silenceMs = silenceMs;
    this.#windowMs = windowMs;
    this.#deadline = now + BODY_GRACE_MS;
    this.#windowStart = now;
    this.#seenAt = now;
  }

  /** Bytes have come, those of the framing included. */
  count(bytes: number): void {
    this.#windowBytes += bytes;
  }

  /** The receiver takes bytes again; the time of its pause is not counted as slow. */
  resume(now: number): void {
    this.#startWindow(now);
    this.#seenAt = now;
  }

  /**
   * Whether the client was silent for too long, or too few bytes came in a window or in all; called at each tick
   * while the receiver takes bytes. `isLive`: only silence is too slow.
   */
  isTooSlow(now: number, isLive: boolean): boolean {
    if (this.#windowBytes > this.#seenBytes) this.#seenAt = now;
    this.#seenBytes = this.#windowBytes;
    if (this.#silenceMs > 0 && now - this.#seenAt >= this.#silenceMs) return true;
    if (isLive || now - this.#windowStart < this.#windowMs) return false;
    if (this.#windowBytes < (MIN_BODY_BYTES_PER_SECOND * this.#windowMs) / 1000) return true;
    this.#startWindow(now);
    return now >= this.#deadline;
  }

  #startWindow(now: number): void {
    this.#deadline += (this.#windowBytes / BODY_BYTES_PER_SECOND) * 1000;
    this.#windowStart = now;
    this.#windowBytes = 0;
    this.#seenBytes = 0;
  }
}
