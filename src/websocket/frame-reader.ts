// Reads the frames of one client (RFC 6455 §5) and tells its listener of whole messages, control frames and
// the last frame: a close frame, or one that a client must not send. Knows no socket. The bytes it reads are
// valid during the call only, so each payload is copied once, into a buffer of its own.
//
//   header ──▶ payload ──▶ header        the end of a compressed message ──▶ inflating ──▶ header
//      └──────────┴── the last frame, stop() ──▶ over ◀────────────────────────┘
//
// A compressed message is inflated when it is whole, or before, when INFLATE_BATCH_BYTES of it have come: a
// message in hundreds of fragments is inflated once.

import { isUtf8 } from "node:buffer";

import { bufferPool, MIN_RELEASED_BYTES } from "../net/buffer-pool.ts";
import { CloseCode, maySend } from "./close-code.ts";
import { TOO_LARGE, type Deflate } from "./deflate.ts";
import { FrameHeader, MAX_CONTROL_BYTES, Opcode } from "./frame.ts";
import { INFLATE_BATCH_BYTES, MAX_FRAGMENTS } from "./limits.ts";
import { PayloadBuffer } from "./payload-buffer.ts";

/** Bytes of a close frame's code. */
const CODE_BYTES = 2;

export interface FrameListener {
  /** A whole message; the bytes become the listener's. */
  onMessage(bytes: Buffer, isText: boolean): void;
  onPing(payload: Buffer): void;
  onPong(payload: Buffer): void;
  /** So many bytes of a message have been inflated; the message may go on. */
  onInflated(bytes: number): void;
  /**
   * The last frame, after which nothing is read. Close code: the client's, 1005 if its close frame has none,
   * ours after a protocol error.
   */
  onLast(code: number, reason: string): void;
  /** Inflating has ended: `read` may be called again. */
  onReady(): void;
}

/**
 * Longest compressed form of a message: random bytes grow by a seventh at most, and by five bytes a frame
 * (zlib's deflateBound).
 */
function maxWireBytes(maxMessageBytes: number): number {
  return Math.ceil((maxMessageBytes * 8) / 7) + 5 * MAX_FRAGMENTS;
}

export class FrameReader {
  /** Whether `read` stops before the next frame, also in the middle of the bytes that it is given. */
  isPaused = false;
  readonly #listener: FrameListener;
  readonly #deflate: Deflate | null;
  readonly #maxMessageBytes: number;
  readonly #header = new FrameHeader();
  #state: "header" | "payload" | "inflating" | "over" = "header";
  /** Bytes of the current frame's payload that have not come. */
  #left = 0;
  /** The current message: its opcode, CONTINUATION between two messages; its frames and bytes so far. */
  #opcode: number = Opcode.CONTINUATION;
  #isCompressed = false;
  #fragments = 0;
  #wireBytes = 0;
  #completed = 0;
  /** The payload of the current message; of a compressed message, what is not inflated. */
  readonly #message: PayloadBuffer;
  /** The payload of a control frame. */
  readonly #control = new PayloadBuffer(MAX_CONTROL_BYTES);
  /** The inflated pieces of the current message; their bytes, and those that are being inflated. */
  #inflated: Buffer[] = [];
  #inflatedBytes = 0;

  /** `maxMessageBytes`: of one message, inflated. */
  constructor(listener: FrameListener, deflate: Deflate | null, maxMessageBytes: number) {
    this.#listener = listener;
    this.#deflate = deflate;
    this.#maxMessageBytes = maxMessageBytes;
    this.#message = new PayloadBuffer(
      deflate === null ? maxMessageBytes : maxWireBytes(maxMessageBytes),
    );
  }

  /** Whether a message is being inflated: until `onReady`, `read` reads nothing. */
  get isWaiting(): boolean {
    return this.#state === "inflating";
  }

  /** Whether no message and no frame has begun. */
  get isAtBoundary(): boolean {
    return (
      this.#opcode === Opcode.CONTINUATION && this.#state === "header" && this.#header.isComplete
    );
  }

  /** How many messages, and control frames outside messages, were whole: tells one unfinished message from the next. */
  get completed(): number {
    return this.#completed;
  }

  /** Bytes of the current message that have come, as they were sent; control frames do not count. */
  get receivedBytes(): number {
    const isInPayload = this.#state === "payload" && !this.#header.isControl;
    return this.#wireBytes - (isInPayload ? this.#left : 0);
  }

  /** Bytes of the current message that have come, compressed and inflated. */
  get unfinishedBytes(): number {
    return this.#message.length + this.#inflatedBytes;
  }

  /** Memory of the current message and of a control frame. */
  get heldBytes(): number {
    return this.#message.memoryBytes + this.#control.memoryBytes + this.#inflatedBytes;
  }

  /** Reads frames; returns how many bytes were read: all, or fewer if the next frame has to wait. */
  read(bytes: Buffer): number {
    let index = 0;
    while (index < bytes.length) {
      if (this.#state === "over") return bytes.length;
      if (this.#state === "inflating" || this.isPaused) return index;
      if (this.#state === "header") index = this.#readHeader(bytes, index);
      if (this.#state === "payload") index = this.#readPayload(bytes, index);
    }
    return index;
  }

  /** Ends reading: the listener hears nothing more. */
  stop(): void {
    this.#state = "over";
    // At once: the garbage collector lets dozens of MB of large buffers pile up.
    for (const bytes of [this.#message.take(), ...this.#inflated]) bufferPool.release(bytes);
    this.#control.take();
    this.#forgetInflated();
    this.#deflate?.stopInflating();
  }

  #readHeader(bytes: Buffer, index: number): number {
    const header = this.#header;
    const end = header.read(bytes, index);
    if (!header.hasFlags) return end;
    const isInside = this.#opcode !== Opcode.CONTINUATION;
    const fault = header.findFault(isInside, this.#deflate !== null);
    if (fault !== null) this.#endReading(CloseCode.PROTOCOL_ERROR, fault);
    else if (header.isComplete) this.#beginPayload();
    return end;
  }

  #beginPayload(): void {
    const { isControl, isFinal, length } = this.#header;
    this.#state = "payload";
    this.#left = length;
    if (isControl) this.#control.expect(length, true);
    else if (this.#countFragment()) this.#message.expect(length, isFinal);
  }

  /** Counts a frame of a message; false: the message has too many frames or bytes. */
  #countFragment(): boolean {
    const { opcode, isCompressed, length } = this.#header;
    if (opcode !== Opcode.CONTINUATION) {
      this.#opcode = opcode;
      this.#isCompressed = isCompressed;
    }
    const max = this.#maxMessageBytes;
    this.#fragments += 1;
    this.#wireBytes += length;
    if (this.#fragments > MAX_FRAGMENTS)
      this.#endReading(CloseCode.POLICY_VIOLATION, "a message has too many fragments");
    else if (this.#wireBytes > (this.#isCompressed ? maxWireBytes(max) : max))
      this.#endReading(TOO_LARGE.code, TOO_LARGE.reason);
    return this.#state === "payload";
  }

  #readPayload(bytes: Buffer, index: number): number {
    const header = this.#header;
    const end = Math.min(index + this.#left, bytes.length);
    const target = header.isControl ? this.#control : this.#message;
    target.append(bytes, index, end, header.mask);
    this.#left -= end - index;
    if (this.#left === 0) this.#endFrame();
    return end;
  }

  #endFrame(): void {
    const { isControl, isFinal } = this.#header;
    this.#state = "header";
    if (isControl) this.#endControlFrame(this.#control.take());
    else if (isFinal && !this.#isCompressed) this.#endMessage(this.#message.take());
    else if (isFinal || (this.#isCompressed && this.#message.length >= INFLATE_BATCH_BYTES))
      this.#inflate(this.#message.take(), isFinal);
  }

  #inflate(bytes: Buffer, isFinal: boolean): void {
    const inflated = isFinal ? this.#deflate?.inflateNow(bytes) : null;
    if (inflated) {
      this.#onInflated(inflated);
      if (this.#state !== "over") this.#endMessage(joinInflated(this.#inflated));
      return;
    }
    this.#state = "inflating";
    const { length } = bytes;
    this.#inflatedBytes += length;
    this.#deflate?.inflate(
      bytes,
      isFinal,
      (piece) => this.#onInflated(piece),
      (fault) => {
        if (this.#state === "over") return;
        if (fault !== null) {
          this.#endReading(fault.code, fault.reason);
          return;
        }
        bufferPool.release(bytes);
        this.#inflatedBytes -= length;
        this.#state = "header";
        if (isFinal) this.#endMessage(joinInflated(this.#inflated));
        this.#listener.onReady();
      },
    );
  }

  /** The listener may call `stop`. */
  #onInflated(piece: Buffer): void {
    this.#inflated.push(piece);
    this.#inflatedBytes += piece.length;
    this.#listener.onInflated(piece.length);
  }

  #forgetInflated(): void {
    this.#inflated = [];
    this.#inflatedBytes = 0;
  }

  #endMessage(bytes: Buffer): void {
    const isText = this.#opcode === Opcode.TEXT;
    this.#opcode = Opcode.CONTINUATION;
    this.#completed += 1;
    this.#isCompressed = false;
    this.#fragments = 0;
    this.#wireBytes = 0;
    this.#forgetInflated();
    if (isText && !isUtf8(bytes))
      this.#endReading(CloseCode.INVALID_TEXT, "a text message is not UTF-8");
    else this.#listener.onMessage(bytes, isText);
  }

  #endControlFrame(payload: Buffer): void {
    const { opcode } = this.#header;
    if (this.#opcode === Opcode.CONTINUATION) this.#completed += 1;
    if (opcode === Opcode.PING) this.#listener.onPing(payload);
    else if (opcode === Opcode.PONG) this.#listener.onPong(payload);
    else this.#endCloseFrame(payload);
  }

  #endCloseFrame(payload: Buffer): void {
    const code = payload.length === 0 ? CloseCode.NONE : payload.readUInt16BE(0);
    const reason = payload.subarray(CODE_BYTES);
    if (payload.length > 0 && !maySend(code)) {
      const fault = `a close frame holds ${code}, which is no close code`;
      this.#endReading(CloseCode.PROTOCOL_ERROR, fault);
    } else if (!isUtf8(reason))
      this.#endReading(CloseCode.INVALID_TEXT, "the reason of a close frame is not UTF-8");
    else this.#endReading(code, reason.toString("utf8"));
  }

  #endReading(code: number, reason: string): void {
    this.stop();
    this.#listener.onLast(code, reason);
  }
}

/** Joins inflated pieces in a buffer of the message's own: short pieces are slices of larger buffers of zlib's. */
function joinInflated(pieces: readonly Buffer[]): Buffer {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const message =
    length < MIN_RELEASED_BYTES ? Buffer.allocUnsafeSlow(length) : bufferPool.acquire(length);
  let at = 0;
  for (const piece of pieces) {
    at += piece.copy(message, at);
    bufferPool.release(piece);
  }
  return message;
}
