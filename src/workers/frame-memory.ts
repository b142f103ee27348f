// Memory for the large frames of bodies: a buffer made anew for each of them would keep the collector busy
// (a fifth of the front's time while a megabyte is posted).

import { freeAtOnce } from "../net/free-at-once.ts";

/** A frame's header in front of what one read of a client brings, as it is mostly and at most. */
const ROOM_BYTES = [65_536 + 16, 262_144 + 16] as const;
/** Bytes of rooms of either size that are kept: more are on their way only where workers are behind. */
const MAX_FREE_BYTES = 4_194_304;
/** Smaller frames come out of Node's own pool. */
const MIN_BYTES = 8192;

const free: ReadonlyMap<number, ArrayBuffer[]> = new Map(ROOM_BYTES.map((bytes) => [bytes, []]));

/** Memory for a frame, with whatever was in it. */
export function takeRoom(bytes: number): Buffer {
  const room = bytes < MIN_BYTES ? undefined : ROOM_BYTES.find((size) => size >= bytes);
  if (room === undefined) return Buffer.allocUnsafe(bytes);
  return Buffer.from(free.get(room)?.pop() ?? new ArrayBuffer(room), 0, bytes);
}

/** Takes the memory of a frame back, once and from its only owner: nobody reads it any more. */
export function giveRoomBack(frame: Buffer): void {
  const { buffer } = frame;
  const rooms = free.get(buffer.byteLength);
  if (rooms === undefined || !(buffer instanceof ArrayBuffer)) freeAtOnce(frame);
  else if (rooms.length * buffer.byteLength < MAX_FREE_BYTES) rooms.push(buffer);
}
