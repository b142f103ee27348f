// Bytes of a client that cannot be used yet, because the rest of a head or a line has not come, or because a
// request runs. One buffer of its own holds them: a slice of a read, or of Node's pool, would keep memory that
// nobody counts, and a string for each piece takes many times the memory of its bytes.

import { detachBuffer } from "./buffer-pool.ts";
import type { MemoryBudget } from "./memory-budget.ts";

/** Smallest buffer. */
const MIN_BYTES = 512;
/** A full buffer grows by this factor: little is unused, and bytes that come one by one are copied few times. */
const GROWTH = 1.25;

const EMPTY = Buffer.alloc(0);

export class KeptBytes {
  readonly #budget: MemoryBudget;
  #buffer: Buffer = EMPTY;
  #start = 0;
  #end = 0;

  /** `budget`: counts the memory of the buffer. */
  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** Bytes kept. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory. */
  get memoryBytes(): number {
    return this.#buffer.length;
  }

  /** The bytes, valid until the next call. */
  get bytes(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Appends bytes `start` … `end` of a buffer. */
  append(bytes: Buffer, start = 0, end: number = bytes.length): void {
    const added = end - start;
    if (this.#end + added > this.#buffer.length) this.#grow(this.length + added);
    bytes.copy(this.#buffer, this.#end, start, end);
    this.#end += added;
  }

  /** Whether `bytes` is a part of the memory of these bytes. */
  holds(bytes: Buffer): boolean {
    return bytes.buffer === this.#buffer.buffer;
  }

  /** Keeps only `rest`, which is a part of these bytes. */
  narrow(rest: Buffer): void {
    this.#start = rest.byteOffset - this.#buffer.byteOffset;
    this.#end = this.#start + rest.length;
  }

  /** Forgets the bytes, and frees the memory at once. */
  release(): void {
    const buffer = this.#forget();
    detachBuffer(buffer);
  }

  /** Returns the bytes, whose memory is the caller's and no longer counted. */
  take(): Buffer {
    const { bytes } = this;
    this.#forget();
    return bytes;
  }

  #forget(): Buffer {
    const buffer = this.#buffer;
    this.#buffer = EMPTY;
    this.#start = 0;
    this.#end = 0;
    this.#budget.give(buffer.length);
    return buffer;
  }

  #grow(wanted: number): void {
    const old = this.#buffer;
    const before = old.length;
    const kept = this.bytes;
    const size = Math.max(MIN_BYTES, wanted, Math.min(Math.ceil(before * GROWTH), 2 * wanted));
    this.#buffer = Buffer.allocUnsafeSlow(size);
    kept.copy(this.#buffer);
    this.#end = kept.length;
    this.#start = 0;
    detachBuffer(old);
    // Last: the owner of the budget may ask for the bytes at once.
    this.#budget.take(size - before);
  }
}
