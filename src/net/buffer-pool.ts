// Memory for large frames, used again for the next ones: a buffer made anew for each of them keeps the
// collector busy (a fifth of the front's time while megabytes are posted).

import { detachBuffer } from "./detach-buffer.ts";
import { READ_BYTES, WIDE_READ_BYTES } from "./wide-reader.ts";

/** What one read of a client brings, as it is mostly and at most, behind the longest header of a frame. */
const ROOM_BYTES = [READ_BYTES + 16, WIDE_READ_BYTES + 16] as const;
/** Bytes of rooms of either size that are kept. */
const MAX_KEPT_BYTES = 16_777_216;
/** They are kept for so long; whoever goes on makes new ones. */
const KEPT_MS = 5000;
/** Less is left to the collector. */
const MIN_GIVEN_BYTES = 8192;
/** Nothing gets memory that is more times as large. */
const MAX_WASTE = 2;

const kept: ReadonlyMap<number, ArrayBuffer[]> = new Map(ROOM_BYTES.map((bytes) => [bytes, []]));
let isForgetPlanned = false;

/** Memory of so many bytes, with whatever was in it. */
export function acquireBuffer(bytes: number): Buffer {
  const room = ROOM_BYTES.find((size) => size >= bytes);
  if (room === undefined || room > MAX_WASTE * bytes) return Buffer.allocUnsafe(bytes);
  return Buffer.from(kept.get(room)?.pop() ?? new ArrayBuffer(room), 0, bytes);
}

/** Takes memory back, once and from its only owner: nobody reads it any more. Any memory may be given. */
export function releaseBuffer(bytes: Buffer): void {
  if (bytes.length < MIN_GIVEN_BYTES) return;
  const { buffer } = bytes;
  const rooms = kept.get(buffer.byteLength);
  if (rooms === undefined || !(buffer instanceof ArrayBuffer)) detachBuffer(bytes);
  else if (rooms.length * buffer.byteLength < MAX_KEPT_BYTES) {
    rooms.push(buffer);
    if (isForgetPlanned) return;
    isForgetPlanned = true;
    setTimeout(forget, KEPT_MS).unref();
  }
}

function forget(): void {
  isForgetPlanned = false;
  for (const rooms of kept.values()) rooms.length = 0;
}
