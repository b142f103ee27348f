// The bytes of a message, or of one frame, while they come: one piece of memory that grows with what has
// come, not with what was announced, so that a header of 14 bytes does not cost 16 MiB.

import { bufferPool } from "../net/buffer-pool.ts";
import { TRUSTED_BYTES } from "./limits.ts";
import type { Mask } from "./mask.ts";

/** Memory is at most so many times as large as what has come. Each growth copies that. */
const GROWTH = 4;
/** Less would come out of Node's own pool. */
const POOLED_BYTES = Buffer.poolSize / 2;
const EMPTY = Buffer.alloc(0);

export class PayloadMemory {
  /** There will be no more bytes than so many, whatever is announced. */
  readonly #maxBytes: number;
  #bytes: Buffer = EMPTY;
  #length = 0;
  /** How many there will be with the frame that was announced last, and whether that is all. */
  #expected = 0;
  #isLast = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** So many more are announced. `isLast`: and none afterwards. */
  expect(bytes: number, isLast: boolean): void {
    this.#expected = this.#length + bytes;
    this.#isLast = isLast;
  }

  /** Takes bytes `at` … `end` of a masked payload. */
  append(bytes: Buffer, at: number, end: number, mask: Mask): void {
    const length = this.#length + end - at;
    if (length > this.#bytes.length) this.#grow(length);
    mask.copy(bytes, at, end, this.#bytes, this.#length);
    this.#length = length;
  }

  /** All that came, which is the caller's. */
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
      this.#bytes = bufferPool.acquire(length);
      return;
    }
    const trusted = expected <= TRUSTED_BYTES ? expected : length;
    const size = Math.max(trusted, GROWTH * this.#length);
    const wanted = Math.min(size, this.#isLast ? expected : this.#maxBytes);
    // A byte that waits for others would keep 64 KiB of that pool.
    this.#bytes =
      wanted < POOLED_BYTES ? Buffer.allocUnsafeSlow(wanted) : bufferPool.acquire(wanted);
    old.copy(this.#bytes, 0, 0, this.#length);
    if (this.#length > 0) bufferPool.release(old);
  }
}
