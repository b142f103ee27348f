// The frames of a worker's channel: encoding and decoding, pure. docs/worker-protocol.md specifies them;
// the worker (python/typhon_worker) is the other side, and the tests of both read test/vectors/. Knows
// bytes only: no socket, no request.

import { bufferPool } from "../net/buffer-pool.ts";

const FRAME_HEADER_BYTES = 16;
/** Largest payload of a frame: 1 MiB of body, and 64 KiB for a head before it. More ends the worker. */
export const MAX_PAYLOAD_BYTES = 1_114_112;
/** Bytes of a body, or of a WebSocket message, in one frame. */
export const INPUT_FRAME_BYTES = 262_144;

const TWO_32 = 4_294_967_296;
const END = 1;

/** Frame types; those from 0x40 on are sent by the front, the others by the worker. */
export const FrameType = {
  READY: 0x02,
  FAILED: 0x03,
  HEAD: 0x10,
  BODY: 0x11,
  FAULT: 0x12,
  EXPIRED: 0x13,
  FETCH: 0x14,
  FENCE: 0x15,
  STOPPED: 0x16,
  POISONED: 0x17,
  LOG: 0x18,
  STACKS_TOLD: 0x19,
  TAKEN: 0x1a,
  INPUT_CREDIT: 0x1b,
  EARLY_HINT: 0x1c,
  TRAILERS: 0x1d,
  LOOP_TOLD: 0x1e,
  FILE: 0x1f,
  WS_ACCEPT: 0x20,
  WS_TEXT: 0x21,
  WS_BINARY: 0x22,
  WS_CLOSE: 0x23,
  WS_SOCKET: 0x24,
  TAKE: 0x40,
  STOP: 0x41,
  RECORD: 0x42,
  INPUT: 0x43,
  CREDIT: 0x44,
  CANCEL: 0x45,
  STACKS: 0x46,
  LOOP_ASKED: 0x47,
  WS_TEXT_IN: 0x48,
  WS_BINARY_IN: 0x49,
  WS_CLOSED: 0x4a,
  WS_SOCKET_DONE: 0x4b,
  FILE_RESULT: 0x4c,
} as const;

/** A frame whose payload is a text; the worker shortens a longer one. */
const MAX_TEXT_BYTES = 524_288;
/** Ids of as many requests as a worker may run at once. */
const MAX_IDS_BYTES = 524_288;
const MAX_PATH_BYTES = 4096;

/**
 * The largest payload of each type; -1: no such frame. A stray byte moves all headers that come after it, so most
 * of them name no type, or a length that their type cannot have: the fault shows in the first header, and nobody
 * waits for a payload that never comes.
 */
const PAYLOAD_LIMITS = new Int32Array(256).fill(-1);
for (const [type, bytes] of [
  [FrameType.READY, MAX_PAYLOAD_BYTES],
  [FrameType.FAILED, MAX_PAYLOAD_BYTES],
  [FrameType.HEAD, MAX_PAYLOAD_BYTES],
  [FrameType.BODY, INPUT_FRAME_BYTES],
  [FrameType.FAULT, MAX_TEXT_BYTES],
  [FrameType.EXPIRED, 0],
  [FrameType.FETCH, 0],
  [FrameType.FENCE, 0],
  [FrameType.STOPPED, 0],
  [FrameType.POISONED, MAX_TEXT_BYTES],
  [FrameType.LOG, MAX_TEXT_BYTES],
  [FrameType.STACKS_TOLD, MAX_TEXT_BYTES],
  [FrameType.TAKEN, MAX_IDS_BYTES],
  [FrameType.INPUT_CREDIT, 4],
  [FrameType.EARLY_HINT, MAX_PAYLOAD_BYTES],
  [FrameType.TRAILERS, MAX_PAYLOAD_BYTES],
  [FrameType.LOOP_TOLD, 0],
  [FrameType.FILE, MAX_PAYLOAD_BYTES],
  [FrameType.WS_ACCEPT, MAX_PAYLOAD_BYTES],
  [FrameType.WS_TEXT, INPUT_FRAME_BYTES],
  [FrameType.WS_BINARY, INPUT_FRAME_BYTES],
  [FrameType.WS_CLOSE, MAX_TEXT_BYTES],
  [FrameType.WS_SOCKET, MAX_PATH_BYTES],
  [FrameType.TAKE, 0],
  [FrameType.STOP, 0],
  [FrameType.RECORD, MAX_PAYLOAD_BYTES],
  [FrameType.INPUT, INPUT_FRAME_BYTES],
  [FrameType.CREDIT, 4],
  [FrameType.CANCEL, 0],
  [FrameType.STACKS, 0],
  [FrameType.LOOP_ASKED, 0],
  [FrameType.WS_TEXT_IN, INPUT_FRAME_BYTES],
  [FrameType.WS_BINARY_IN, INPUT_FRAME_BYTES],
  [FrameType.WS_CLOSED, MAX_TEXT_BYTES],
  [FrameType.WS_SOCKET_DONE, 0],
  [FrameType.FILE_RESULT, 0],
] as const)
  PAYLOAD_LIMITS[type] = bytes;

/**
 * Whether a frame is the last one about its request: a fault, or END, which a message of a WebSocket has
 * too. EXPIRED is not among them: its request was never begun.
 */
export function isLastFrame(type: number, isEnd: boolean): boolean {
  if (type === FrameType.FAULT) return true;
  return isEnd && type !== FrameType.WS_TEXT && type !== FrameType.WS_BINARY;
}

/** One frame for a worker. Its memory comes from the buffer pool; the sender releases it. */
export function encodeFrame(
  type: number,
  id: number,
  payload: Buffer | null = null,
  options: { readonly isEnd?: boolean; readonly count?: number } = {},
): Buffer {
  const length = payload === null ? 0 : payload.length;
  const frame = bufferPool.acquire(FRAME_HEADER_BYTES + length);
  frame.writeUInt32LE(length, 0);
  frame[4] = type;
  frame[5] = options.isEnd === true ? END : 0;
  frame.writeUInt16LE(options.count ?? 0, 6);
  frame.writeUInt32LE(id % TWO_32, 8);
  frame.writeUInt32LE(Math.floor(id / TWO_32), 12);
  payload?.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}

/** The RECORD frame: a record that did not fit into a page. */
export function encodeRecord(id: number, names: string, values: string): Buffer {
  const payload = Buffer.allocUnsafe(8 + names.length + values.length);
  payload.writeUInt32LE(names.length, 0);
  payload.writeUInt32LE(values.length, 4);
  payload.write(names + values, 8, "latin1");
  return encodeFrame(FrameType.RECORD, id, payload);
}

/** The CREDIT frame. `bytes` below 2³². */
export function encodeCredit(id: number, bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32LE(bytes, 0);
  return encodeFrame(FrameType.CREDIT, id, payload);
}

/** Takes decoded frames. `payload` is valid during the call only: a receiver copies what it keeps. */
export interface FrameReceiver {
  onFrame(type: number, id: number, isEnd: boolean, count: number, payload: Buffer): void;
}

/** A frame that breaks the protocol: its worker is ended. */
export class FrameFault extends Error {}

/** Cuts a stream of bytes into frames. Holds at most one incomplete frame, of its declared size. */
export class FrameDecoder {
  readonly #receiver: FrameReceiver;
  /** The incomplete frame: room for its header, and once that is whole for all of the frame. */
  #frame: Buffer = Buffer.alloc(FRAME_HEADER_BYTES);
  #held = 0;
  #hasHeader = false;
  #unfinished = 0;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /**
   * A number of its own for the frame that has begun and not ended; 0: there is none. At the end of the stream:
   * its sender died inside it.
   */
  get unfinished(): number {
    return this.#held > 0 ? this.#unfinished : 0;
  }

  /** Decodes all whole frames; keeps no reference to `chunk`. Throws FrameFault. */
  push(chunk: Buffer): void {
    let at = this.#held > 0 ? this.#complete(chunk) : 0;
    while (chunk.length - at >= FRAME_HEADER_BYTES) {
      const end = at + frameBytes(chunk, at);
      if (end > chunk.length) break;
      this.#deliver(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#hold(chunk, at);
  }

  // Goes on with the incomplete frame; returns where the next one begins.
  #complete(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length) {
      const copied = chunk.copy(this.#frame, this.#held, at);
      this.#held += copied;
      at += copied;
      if (this.#held < this.#frame.length) return at;
      if (!this.#hasHeader) this.#makeRoom();
      if (this.#held < this.#frame.length) continue;
      const frame = this.#frame;
      this.#frame = Buffer.alloc(FRAME_HEADER_BYTES);
      this.#held = 0;
      this.#hasHeader = false;
      this.#deliver(frame, 0, frame.length);
      if (isCopied(frame[4])) bufferPool.release(frame);
      return at;
    }
    return at;
  }

  #hold(chunk: Buffer, at: number): void {
    this.#hasHeader = false;
    this.#unfinished += 1;
    this.#held = chunk.copy(this.#frame, 0, at, at + FRAME_HEADER_BYTES);
    if (this.#held < FRAME_HEADER_BYTES) return;
    this.#makeRoom();
    this.#held += chunk.copy(this.#frame, this.#held, at + FRAME_HEADER_BYTES);
  }

  #makeRoom(): void {
    const frame = bufferPool.acquire(frameBytes(this.#frame, 0));
    this.#frame.copy(frame);
    this.#frame = frame;
    this.#hasHeader = true;
  }

  #deliver(bytes: Buffer, at: number, end: number): void {
    const id = bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * TWO_32;
    this.#receiver.onFrame(
      bytes[at + 4] ?? 0,
      id,
      bytes[at + 5] === END,
      bytes.readUInt16LE(at + 6),
      bytes.subarray(at + FRAME_HEADER_BYTES, end),
    );
  }
}

/** Whether receivers copy the payload, so that its memory can be used again. */
function isCopied(type: number | undefined): boolean {
  return type === FrameType.BODY || type === FrameType.WS_TEXT || type === FrameType.WS_BINARY;
}

/** The bytes of the frame whose header is at `at`. Throws FrameFault on a header that no frame may have. */
function frameBytes(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32LE(at);
  const type = bytes[at + 4] ?? 0;
  const limit = PAYLOAD_LIMITS[type] ?? -1;
  if (length > limit)
    throw new FrameFault(
      limit < 0 ? `a frame of type ${type}` : `a frame of type ${type} and ${length} bytes`,
    );
  const flags = bytes[at + 5] ?? 0;
  if (flags > END) throw new FrameFault(`flags ${flags} in a frame`);
  return FRAME_HEADER_BYTES + length;
}
