// Reads the frames of one connection in whatever pieces their bytes arrive (RFC 9113 §4.1). The payload of DATA is
// passed on piece by piece, uncopied; every other frame is passed whole. Knows lengths and padding, but no meaning
// of a frame. No I/O.
//
//   preface ──24 bytes──▶ frame ──header of DATA──▶ data ──▶ padding ──▶ frame
//                           └── any other frame, whole ──▶ frame

import { KeptBytes } from "../net/kept-bytes.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { ConnectionFault, ErrorCode } from "./error-code.ts";
import { Flag, FrameType, HEADER_BYTES, MAX_PAYLOAD_BYTES, PREFACE, readUint31 } from "./frames.ts";

/** What the reader has found. Bytes are valid during the call only. */
export interface FrameListener {
  /** A whole frame but DATA; its payload is at `start` … `end`. */
  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  /** A DATA frame begins; `length`: its payload with padding, which the windows count. `dataLength`: without. */
  onDataBegin(streamId: number, length: number, dataLength: number, isLast: boolean): void;
  /** Bytes of the DATA frame that has begun. */
  onData(bytes: Buffer, start: number, end: number): void;
  /** All bytes of the DATA frame have come. */
  onDataEnd(): void;
}

export class FrameReader {
  readonly #listener: FrameListener;
  readonly #budget: MemoryBudget;
  /** Frames that have come in pieces; as long as it stays the same, the incomplete frame is the same one. */
  partials = 0;
  /** Bytes of the preface that have come. */
  #prefaceBytes = 0;
  /** The beginning of a frame that has not come whole. */
  #kept: KeptBytes | null = null;
  // Of the DATA frame that is being read: bytes that have not come.
  #isInData = false;
  #dataLeft = 0;
  #paddingLeft = 0;
  #isStopped = false;

  /** `budget` counts the memory of an incomplete frame. */
  constructor(listener: FrameListener, budget: MemoryBudget) {
    this.#listener = listener;
    this.#budget = budget;
  }

  /** Memory of an incomplete frame. */
  get memoryBytes(): number {
    return this.#kept?.memoryBytes ?? 0;
  }

  /** Reads bytes. Throws ConnectionFault, and what the listener throws. */
  read(chunk: Buffer): void {
    let at = this.#prefaceBytes < PREFACE.length ? this.#readPreface(chunk) : 0;
    while (at < chunk.length && !this.#isStopped) {
      if (this.#isInData) at = this.#readData(chunk, at);
      else if (this.#kept !== null) at = this.#goOn(this.#kept, chunk, at);
      else at = this.#readFrame(chunk, at);
    }
  }

  /** Forgets an incomplete frame, and reads no further one. */
  stop(): void {
    this.#isStopped = true;
    this.#drop();
  }

  #readPreface(chunk: Buffer): number {
    const before = this.#prefaceBytes;
    const count = Math.min(chunk.length, PREFACE.length - before);
    if (chunk.compare(PREFACE, before, before + count, 0, count) !== 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the preface is not that of HTTP/2");
    this.#prefaceBytes += count;
    return count;
  }

  /** Reads a frame that begins at `at`; returns the index after what was taken. */
  #readFrame(chunk: Buffer, at: number): number {
    if (at + HEADER_BYTES <= chunk.length) {
      const length = frameLength(chunk, at);
      if (chunk[at + 3] === FrameType.DATA) {
        const fixed = (chunk[at + 4] ?? 0) & Flag.PADDED ? HEADER_BYTES + 1 : HEADER_BYTES;
        if (length === 0 || at + fixed <= chunk.length) {
          this.#beginData(chunk, at);
          return at + (length === 0 ? HEADER_BYTES : fixed);
        }
      }
      const end = at + HEADER_BYTES + length;
      if (end <= chunk.length) {
        this.#pass(chunk, at, end);
        return end;
      }
    }
    this.partials += 1;
    this.#kept = new KeptBytes(this.#budget);
    this.#kept.append(chunk, at);
    return chunk.length;
  }

  /** Reads on in a frame whose beginning has come. */
  #goOn(kept: KeptBytes, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + neededBytes(kept) - kept.length);
    kept.append(chunk, at, end);
    if (kept.length < neededBytes(kept)) return end;
    const { bytes } = kept;
    if (bytes[3] === FrameType.DATA) this.#beginData(bytes, 0);
    else this.#pass(bytes, 0, bytes.length);
    this.#drop();
    return end;
  }

  #pass(bytes: Buffer, at: number, end: number): void {
    const streamId = readUint31(bytes, at + 5);
    const start = at + HEADER_BYTES;
    this.#listener.onFrame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, streamId, bytes, start, end);
  }

  #beginData(bytes: Buffer, at: number): void {
    const flags = bytes[at + 4] ?? 0;
    const length = frameLength(bytes, at);
    let padding = 0;
    if ((flags & Flag.PADDED) !== 0) {
      padding = bytes[at + HEADER_BYTES] ?? 0;
      if (length === 0)
        throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "DATA lacks its padding's length");
      // The length of the padding is a part of the payload.
      if (padding >= length)
        throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "padding is longer than its frame");
      this.#dataLeft = length - 1 - padding;
    } else this.#dataLeft = length;
    this.#paddingLeft = padding;
    this.#isInData = true;
    const isLast = (flags & Flag.END_STREAM) !== 0;
    this.#listener.onDataBegin(readUint31(bytes, at + 5), length, this.#dataLeft, isLast);
    this.#checkDataEnd();
  }

  #readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#dataLeft);
    if (end > at) {
      this.#dataLeft -= end - at;
      this.#listener.onData(chunk, at, end);
    }
    const next = Math.min(chunk.length, end + this.#paddingLeft);
    this.#paddingLeft -= next - end;
    this.#checkDataEnd();
    return next;
  }

  #checkDataEnd(): void {
    if (this.#isStopped || this.#dataLeft > 0 || this.#paddingLeft > 0) return;
    this.#isInData = false;
    this.#listener.onDataEnd();
  }

  #drop(): void {
    this.#kept?.release();
    this.#kept = null;
  }
}

/** Length of the payload of the frame at `at`. Throws ConnectionFault. RFC 9113 §4.2. */
function frameLength(bytes: Buffer, at: number): number {
  const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  if (length > MAX_PAYLOAD_BYTES)
    throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame is longer than 16384 bytes");
  return length;
}

/** Bytes of a frame that must have come before the reader goes on. */
function neededBytes({ bytes }: KeptBytes): number {
  if (bytes.length < HEADER_BYTES) return HEADER_BYTES;
  const length = frameLength(bytes, 0);
  if (bytes[3] !== FrameType.DATA) return HEADER_BYTES + length;
  return HEADER_BYTES + (((bytes[4] ?? 0) & Flag.PADDED) !== 0 && length > 0 ? 1 : 0);
}
