// The payload of one message, or of one control frame, while it comes. The buffer grows with the bytes that have come,
// not with the length that was announced: a header of 14 bytes must not cost the server 16 MiB.

import { bufferPool } from "../net/buffer-pool.ts";
import { TRUSTED_BYTES } from "./limits.ts";
import type { Mask } from "./mask.ts";

/** The buffer is at most so many times as large as the bytes that have come. Each growth copies these bytes. */
const GROWTH = 4;
/** Smaller buffers would be slices of Node's shared pool, see `#grow`. */
const SLICED_BYTES = Buffer.poolSize / 2;
const EMPTY = Buffer.alloc(0);

export class PayloadBuffer {
  /** The payload never becomes longer, whatever is announced. */
  readonly #maxBytes: number;
  #bytes: Buffer = EMPTY;
  #length = 0;
  /** Length of the payload at the end of the frame announced last. */
  #expected = 0;
  /** Whether no frame follows that one. */
  #isLast = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory, also those that no byte of the payload has filled yet. */
  get memoryBytes(): number {
    return this.#bytes.length;
  }

  /** Announces a frame of `bytes` bytes. `isLast`: no frame follows it. */
  expect(bytes: number, isLast: boolean): void {
    this.#expected = this.#length + bytes;
    this.#isLast = isLast;
  }

  /** Appends bytes `start` … `end` of a masked payload. */
  append(bytes: Buffer, start: number, end: number, mask: Mask): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) this.#grow(length);
    mask.copy(bytes, start, end, this.#bytes, this.#length);
    this.#length = length;
  }

  /** Returns the whole payload, which becomes the caller's, and begins the next one. */
  take(): Buffer {
    const bytes = this.#bytes;
    const length = this.#length;
    this.#bytes = EMPTY;
    this.#length = 0;
    if (length === 0) return Buffer.alloc(0);
    return bytes.length === length ? bytes : bytes.subarray(0, length);
  }

  #grow(length: number): void {
    const old = this.#bytes;
    const expected = this.#expected;
    if (this.#length === 0 && this.#isLast && length === expected) {
      // The payload came in one piece, and is soon taken.
      this.#bytes = bufferPool.acquire(length);
      return;
    }
    const trusted = expected <= TRUSTED_BYTES ? expected : length;
    const size = Math.max(trusted, GROWTH * this.#length);
    const wanted = Math.min(size, this.#isLast ? expected : this.#maxBytes);
    // A slice that waits for a slow client would keep all 64 KiB of Node's pool.
    const isSlice = wanted < SLICED_BYTES;
    this.#bytes = isSlice ? Buffer.allocUnsafeSlow(wanted) : bufferPool.acquire(wanted);
    old.copy(this.#bytes, 0, 0, this.#length);
    if (this.#length > 0) bufferPool.release(old);
  }
}
