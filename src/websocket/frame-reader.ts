// What a client's frames say (RFC 6455 §5), one call each: whole messages, control frames, and the one that
// is the last, be it a close frame or one that no client may send. Bytes are valid while they are read
// only: a payload is copied once, into memory of its own. Knows no socket.
//
//   header ──▶ payload ──▶ header        a frame is compressed: inflating ──▶ header
//      └──────────┴── the last frame, stop() ──▶ over ◀──────────┘

import { isUtf8 } from "node:buffer";

import { CloseCode, maySend } from "./close-code.ts";
import { TOO_LARGE, type Deflate } from "./deflate.ts";
import { FrameHeader } from "./frame-header.ts";
import { Opcode } from "./frame-layout.ts";
import { MAX_FRAGMENTS } from "./limits.ts";
import { PayloadMemory } from "./payload-memory.ts";

/** Bytes of a close frame's code. */
const CODE_BYTES = 2;

export interface FrameListener {
  /** A whole message; the bytes are the listener's. */
  onMessage(bytes: Buffer, isText: boolean): void;
  onPing(payload: Buffer): void;
  onPong(payload: Buffer): void;
  /** A frame has become so many bytes, of a message that may not be whole. */
  onInflated(bytes: number): void;
  /** Nothing more is read. `code`: the client's, 1005 where it gave none; ours, where it did what it may not. */
  onLast(code: number, reason: string): void;
  /** It waits no longer. */
  onReady(): void;
}

/** What cannot be compressed becomes longer: by a seventh at most, and five bytes a frame (zlib's deflateBound). */
function maxWireBytes(maxMessageBytes: number): number {
  return Math.ceil((maxMessageBytes * 8) / 7) + 5 * MAX_FRAGMENTS;
}

/** Reads the frames of one client. `maxMessageBytes`: inflated. */
export class FrameReader {
  readonly #listener: FrameListener;
  readonly #deflate: Deflate | null;
  readonly #maxMessageBytes: number;
  readonly #header = new FrameHeader();
  #state: "header" | "payload" | "inflating" | "over" = "header";
  /** Bytes of the frame that have not come. */
  #left = 0;
  /** Of the message that has begun, if any: its opcode, frames, and bytes on the wire. */
  #opcode: number = Opcode.CONTINUATION;
  #isCompressed = false;
  #fragments = 0;
  #wireBytes = 0;
  /** Its bytes: those that came as they are, and those that were inflated. */
  readonly #plain: PayloadMemory;
  #inflated: Buffer[] = [];
  /** Those of a frame that is not a part of a message yet: compressed, or a control frame. */
  readonly #apart: PayloadMemory;

  constructor(listener: FrameListener, deflate: Deflate | null, maxMessageBytes: number) {
    this.#listener = listener;
    this.#deflate = deflate;
    this.#maxMessageBytes = maxMessageBytes;
    this.#plain = new PayloadMemory(maxMessageBytes);
    this.#apart = new PayloadMemory(maxWireBytes(maxMessageBytes));
  }

  /** Whether a frame is being inflated, and nothing can be read. */
  get isWaiting(): boolean {
    return this.#state === "inflating";
  }

  /** Reads on; returns how many bytes it has read: all, or those before which it has to wait. */
  read(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === "over") return bytes.length;
      if (this.#state === "inflating") return at;
      if (this.#state === "header") at = this.#readHeader(bytes, at);
      if (this.#state === "payload") at = this.#readPayload(bytes, at);
    }
    return at;
  }

  /** Nothing more is read or said. */
  stop(): void {
    this.#state = "over";
    this.#plain.take();
    this.#apart.take();
    this.#inflated = [];
  }

  #readHeader(bytes: Buffer, at: number): number {
    const header = this.#header;
    const end = header.read(bytes, at);
    if (!header.isJudgeable) return end;
    const isInside = this.#opcode !== Opcode.CONTINUATION;
    const fault = header.findFault(isInside, this.#deflate !== null);
    if (fault !== null) this.#refuse(CloseCode.PROTOCOL_ERROR, fault);
    else if (header.isWhole) this.#begin();
    return end;
  }

  /** A header is whole, and is none that no client may send. */
  #begin(): void {
    const { isControl, isFinal, length } = this.#header;
    this.#state = "payload";
    this.#left = length;
    if (isControl) this.#apart.expect(length, true);
    else if (!this.#count()) return;
    else if (this.#isCompressed) this.#apart.expect(length, true);
    else this.#plain.expect(length, isFinal);
  }

  /** Counts a frame of a message; false: it is one too many, or too long. */
  #count(): boolean {
    const { opcode, isCompressed, length } = this.#header;
    if (opcode !== Opcode.CONTINUATION) {
      this.#opcode = opcode;
      this.#isCompressed = isCompressed;
    }
    const max = this.#maxMessageBytes;
    this.#fragments += 1;
    this.#wireBytes += length;
    if (this.#fragments > MAX_FRAGMENTS)
      this.#refuse(CloseCode.POLICY_VIOLATION, "a message has too many fragments");
    else if (this.#wireBytes > (this.#isCompressed ? maxWireBytes(max) : max))
      this.#refuse(CloseCode.TOO_BIG, TOO_LARGE);
    return this.#state === "payload";
  }

  #readPayload(bytes: Buffer, at: number): number {
    const header = this.#header;
    const end = Math.min(at + this.#left, bytes.length);
    const isApart = header.isControl || this.#isCompressed;
    const memory = isApart ? this.#apart : this.#plain;
    memory.append(bytes, at, end, header.mask);
    this.#left -= end - at;
    if (this.#left === 0) this.#endFrame();
    return end;
  }

  #endFrame(): void {
    const { isControl, isFinal } = this.#header;
    this.#state = "header";
    if (isControl) this.#takeControl(this.#apart.take());
    else if (this.#isCompressed) this.#inflate(this.#apart.take(), isFinal);
    else if (isFinal) this.#endMessage(this.#plain.take());
  }

  #inflate(bytes: Buffer, isFinal: boolean): void {
    this.#state = "inflating";
    this.#deflate?.inflate(bytes, isFinal, (inflated, fault) => {
      if (this.#state === "over") return;
      if (fault !== null) {
        this.#refuse(fault.code, fault.reason);
        return;
      }
      this.#listener.onInflated(inflated.length);
      if (!this.isWaiting) return;
      this.#state = "header";
      this.#inflated.push(inflated);
      if (isFinal) this.#endMessage(joined(this.#inflated));
      this.#listener.onReady();
    });
  }

  #endMessage(bytes: Buffer): void {
    const isText = this.#opcode === Opcode.TEXT;
    this.#opcode = Opcode.CONTINUATION;
    this.#isCompressed = false;
    this.#fragments = 0;
    this.#wireBytes = 0;
    this.#inflated = [];
    if (isText && !isUtf8(bytes))
      this.#refuse(CloseCode.INVALID_TEXT, "a text message is not UTF-8");
    else this.#listener.onMessage(bytes, isText);
  }

  #takeControl(payload: Buffer): void {
    const { opcode } = this.#header;
    if (opcode === Opcode.PING) this.#listener.onPing(payload);
    else if (opcode === Opcode.PONG) this.#listener.onPong(payload);
    else this.#takeClose(payload);
  }

  #takeClose(payload: Buffer): void {
    const code = payload.length === 0 ? CloseCode.NONE : payload.readUInt16BE(0);
    const reason = payload.subarray(CODE_BYTES);
    if (payload.length > 0 && !maySend(code))
      this.#refuse(CloseCode.PROTOCOL_ERROR, `a close frame holds ${code}, which is no close code`);
    else if (!isUtf8(reason))
      this.#refuse(CloseCode.INVALID_TEXT, "the reason of a close frame is not UTF-8");
    else this.#refuse(code, reason.toString("utf8"));
  }

  /** The last word. */
  #refuse(code: number, reason: string): void {
    this.stop();
    this.#listener.onLast(code, reason);
  }
}

/** Where nothing was inflated the library gives memory that it gives to all. */
function joined(pieces: readonly Buffer[]): Buffer {
  const [only] = pieces;
  const isOwn = pieces.length === 1 && only !== undefined && only.length > 0;
  return isOwn ? only : Buffer.concat(pieces);
}
