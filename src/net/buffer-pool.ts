// Large buffers that are reused, or freed at once. The garbage collector lets some 60 MB of large buffers pile
// up before it frees any, and a new buffer for each large frame costs a fifth of the front's time.
//
// The pool keeps buffers of two sizes, those of one read of a client. A request for half of such a size or more
// gets a view of one; all other buffers are freed on release.

import { READ_BYTES, WIDE_READ_BYTES } from "./wide-reader.ts";

/** The sizes kept: one read of a client, usual and wide, behind the longest header of a frame. */
const KEPT_SIZES = [READ_BYTES + 16, WIDE_READ_BYTES + 16] as const;
/** Bytes of buffers kept of each size. */
const MAX_KEPT_BYTES = 16_777_216;
/** A kept buffer is dropped after at most this time, so an idle server keeps none. */
const KEPT_MS = 5000;
/** A kept buffer is used only for a request of at least half its size. */
const MAX_WASTE = 2;
/** Smaller buffers are left to the garbage collector: `release` does nothing with them. */
export const MIN_RELEASED_BYTES = 8192;

const kept: ReadonlyMap<number, ArrayBuffer[]> = new Map(KEPT_SIZES.map((bytes) => [bytes, []]));
let isDropPlanned = false;

export const bufferPool = {
  /** Returns a buffer of `bytes` bytes, with arbitrary contents. */
  acquire(bytes: number): Buffer {
    const size = KEPT_SIZES.find((each) => each >= bytes);
    if (size === undefined || size > MAX_WASTE * bytes) return Buffer.allocUnsafe(bytes);
    return Buffer.from(kept.get(size)?.pop() ?? new ArrayBuffer(size), 0, bytes);
  },

  /** Keeps or frees a buffer, of the pool or not. Only its last owner calls this, once, and never reads it again. */
  release(buffer: Buffer): void {
    if (buffer.length < MIN_RELEASED_BYTES) return;
    const memory = buffer.buffer;
    const sameSize = kept.get(memory.byteLength);
    if (sameSize === undefined || !(memory instanceof ArrayBuffer)) detachBuffer(buffer);
    else if (sameSize.length * memory.byteLength < MAX_KEPT_BYTES) {
      sameSize.push(memory);
      if (isDropPlanned) return;
      isDropPlanned = true;
      setTimeout(dropKept, KEPT_MS).unref();
    }
  },
};

function dropKept(): void {
  isDropPlanned = false;
  for (const buffers of kept.values()) buffers.length = 0;
}

/**
 * Frees the memory of a buffer that nobody reads any more, without the garbage collector. A buffer that shares
 * its memory with other bytes is left alone.
 */
export function detachBuffer(buffer: Buffer): void {
  const memory = buffer.buffer;
  // Libraries share one empty buffer among all callers.
  if (buffer.length === 0) return;
  if (memory instanceof ArrayBuffer && memory.byteLength === buffer.length) memory.transfer(0);
}

/** A copy for many responses: it has a spare byte, so that it is left alone when one of them was sent. */
export function keptCopy(parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const copy = Buffer.from(new ArrayBuffer(length + 1), 0, length);
  let end = 0;
  for (const part of parts) end += part.copy(copy, end);
  return copy;
}
