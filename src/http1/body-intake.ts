// The body of one request on its way in: which bytes are its, where they go, and whether they come fast
// enough. No I/O.

import { ERRORS, RequestFault } from "../http/error.ts";
import type { BodyReceiver } from "../http/exchange.ts";
import { READ_BYTES } from "../net/wide-reader.ts";
import { ChunkedDecoder } from "./chunked.ts";
import { BODY_WINDOW_MS, MIN_BODY_BYTES_PER_SECOND } from "./limits.ts";

const MIN_WINDOW_BYTES = (MIN_BODY_BYTES_PER_SECOND * BODY_WINDOW_MS) / 1000;

export class BodyIntake {
  /** Null until the handler wants the body. */
  receiver: BodyReceiver | null = null;
  /** Whether the receiver has stopped the flow. */
  isPaused = false;
  /** Index after the last byte taken by `take`. */
  end = 0;
  readonly #decoder: ChunkedDecoder | null;
  #left: number;
  #windowStart = 0;
  #windowBytes = 0;

  /** `length`: null = chunked. Throws BODY_TOO_LARGE where it is known to be. */
  constructor(length: number | null, maxBytes: number) {
    if (length !== null && length > maxBytes) throw new RequestFault(ERRORS.BODY_TOO_LARGE);
    this.#decoder = length === null ? new ChunkedDecoder(maxBytes) : null;
    this.#left = length ?? 0;
  }

  /** Whether more is to come than one read brings, as far as is known. */
  get isLarge(): boolean {
    return this.#decoder !== null || this.#left > READ_BYTES;
  }

  get isWhole(): boolean {
    return this.#decoder === null ? this.#left === 0 : this.#decoder.isDone;
  }

  /** Takes what belongs to the body from `start`; returns its data. Throws RequestFault. */
  take(chunk: Buffer, start: number): Buffer {
    let bytes: Buffer;
    if (this.#decoder === null) {
      this.end = Math.min(chunk.length, start + this.#left);
      this.#left -= this.end - start;
      bytes = chunk.subarray(start, this.end);
    } else {
      bytes = this.#decoder.decode(chunk, start);
      this.end = this.#decoder.end;
    }
    this.#windowBytes += this.end - start;
    return bytes;
  }

  /** The body is wanted. */
  begin(receiver: BodyReceiver, now: number): void {
    this.receiver = receiver;
    this.#restartWindow(now);
  }

  /** The receiver stops the flow; false: it had already. */
  pause(): boolean {
    const isChange = !this.isPaused;
    this.isPaused = true;
    return isChange;
  }

  /** The receiver lets it flow; false: it did. What is slow is counted anew. */
  resume(now: number): boolean {
    const isChange = this.isPaused;
    this.isPaused = false;
    if (isChange) this.#restartWindow(now);
    return isChange;
  }

  /** Whether the window that ends now brought too few bytes; asked at each tick. */
  isTooSlow(now: number): boolean {
    if (this.receiver === null || this.isPaused) return false;
    if (now - this.#windowStart < BODY_WINDOW_MS) return false;
    if (this.#windowBytes < MIN_WINDOW_BYTES) return true;
    this.#restartWindow(now);
    return false;
  }

  #restartWindow(now: number): void {
    this.#windowStart = now;
    this.#windowBytes = 0;
  }
}
