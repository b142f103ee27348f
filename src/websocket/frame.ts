// One frame (RFC 6455 §5.2): how its header is read and how a server writes a frame. Bytes only: no socket, no
// message.
//
//   │ FIN RSV1-3 opcode │ MASK length │ longer length │ masking key  │ payload …
//   │      1 byte       │   1 byte    │ 0, 2, 8 bytes │ 0 or 4 bytes │
//
// Clients mask their payloads, servers do not (§5.1).

import { bufferPool } from "../net/buffer-pool.ts";
import { CloseCode, fittingReason } from "./close-code.ts";
import { KEY_BYTES, Mask } from "./mask.ts";

export const Opcode = {
  CONTINUATION: 0,
  TEXT: 1,
  BINARY: 2,
  CLOSE: 8,
  PING: 9,
  PONG: 10,
} as const;

/** Bits of the first byte. */
export const FIN = 0x80;
/** The message is compressed (RFC 7692 §6). */
export const RSV1 = 0x40;
const RSV2_3 = 0x30;
const OPCODE = 0x0f;
/** Bits of the second byte. */
const MASK = 0x80;
const LENGTH = 0x7f;
/** Values of the seven bits of length that announce a longer length of 2 or 8 bytes. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

const MAX_LENGTH_16 = 65_535;
const MIN_HEADER_BYTES = 2;
const MAX_HEADER_BYTES = MIN_HEADER_BYTES + 8 + KEY_BYTES;
/** Payload of a control frame. RFC 6455 §5.5. */
export const MAX_CONTROL_BYTES = 125;
const TWO_32 = 4_294_967_296;

/** The header of the current frame of a stream, which may come in any pieces. One object serves all frames. */
export class FrameHeader {
  /** The first bytes of an incomplete header. */
  readonly #held = Buffer.alloc(MAX_HEADER_BYTES);
  #heldBytes = 0;
  #first = 0;
  #second = 0;
  /** Unmasks the payload; a payload that is not masked comes out unchanged. */
  readonly mask = new Mask();
  /** Bytes of payload. Lengths from 2⁵³ on are rounded, and are beyond every limit anyway. */
  length = 0;

  get isFinal(): boolean {
    return (this.#first & FIN) !== 0;
  }

  get isCompressed(): boolean {
    return (this.#first & RSV1) !== 0;
  }

  get isControl(): boolean {
    return (this.#first & OPCODE) >= Opcode.CLOSE;
  }

  get opcode(): number {
    return this.#first & OPCODE;
  }

  get isComplete(): boolean {
    return this.#heldBytes === 0;
  }

  /** Whether the first two bytes have come, by which `findFault` judges. */
  get hasFlags(): boolean {
    return this.#heldBytes === 0 || this.#heldBytes >= MIN_HEADER_BYTES;
  }

  /** Reads the header, or more of it, from `index` on; returns the index behind the bytes read. */
  read(bytes: Buffer, index: number): number {
    if (this.#heldBytes > 0 || index + 1 >= bytes.length) return this.#hold(bytes, index);
    const end = index + headerBytes(bytes[index + 1] ?? 0);
    if (end > bytes.length) return this.#hold(bytes, index);
    this.#decode(bytes, index, end);
    return end;
  }

  /**
   * Says why a client must not send a frame of this kind, null if it may. `isInside`: the frame comes between
   * the first and the last frame of a message.
   */
  findFault(isInside: boolean, mayCompress: boolean): string | null {
    const { opcode } = this;
    if ((this.#first & RSV2_3) !== 0) return "a reserved bit is set in a frame";
    if (this.isCompressed && !(mayCompress && mayBegin(opcode)))
      return "the bit of compression is set where nothing is compressed";
    if ((this.#second & MASK) === 0) return "a frame is not masked";
    if (this.isControl) return this.#findControlFault();
    if (opcode > Opcode.BINARY) return "a frame has an unknown opcode";
    if (isInside && opcode !== Opcode.CONTINUATION) return "a message begins inside another";
    if (!isInside && opcode === Opcode.CONTINUATION) return "a frame continues no message";
    return null;
  }

  #findControlFault(): string | null {
    const { opcode } = this;
    const length = this.#second & LENGTH;
    if (opcode > Opcode.PONG) return "a frame has an unknown opcode";
    if (!this.isFinal) return "a control frame is a fragment";
    if (length > MAX_CONTROL_BYTES) return "a control frame is too long";
    if (opcode === Opcode.CLOSE && length === 1) return "a close frame holds half a code";
    return null;
  }

  /** Collects an incomplete header byte by byte: at most MAX_HEADER_BYTES, and seldom. */
  #hold(bytes: Buffer, index: number): number {
    const held = this.#held;
    for (let next = index; next < bytes.length; next += 1) {
      held[this.#heldBytes] = bytes[next] ?? 0;
      this.#heldBytes += 1;
      if (this.#heldBytes < MIN_HEADER_BYTES) continue;
      if (this.#heldBytes < headerBytes(held[1] ?? 0)) continue;
      this.#decode(held, 0, this.#heldBytes);
      this.#heldBytes = 0;
      return next + 1;
    }
    this.#first = held[0] ?? 0;
    this.#second = held[1] ?? 0;
    return bytes.length;
  }

  /** Decodes a complete header, which lies from `start` to `end`. */
  #decode(bytes: Buffer, start: number, end: number): void {
    this.#first = bytes[start] ?? 0;
    this.#second = bytes[start + 1] ?? 0;
    this.length = payloadBytes(bytes, start);
    if ((this.#second & MASK) === 0) this.mask.clear();
    else this.mask.begin(bytes, end);
  }
}

/**
 * Encodes one frame of a server. Header and payload share one buffer, because two buffers in one writev cost a
 * quarter more than one write. `first`: the first byte, opcode and flags.
 */
export function encodeFrame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const lengthBytes = length < LENGTH_16 ? 0 : length <= MAX_LENGTH_16 ? 2 : 8;
  const start = MIN_HEADER_BYTES + lengthBytes;
  const frame = bufferPool.acquire(start + length);
  frame[0] = first;
  if (lengthBytes === 0) frame[1] = length;
  else if (lengthBytes === 2) {
    frame[1] = LENGTH_16;
    frame.writeUInt16BE(length, MIN_HEADER_BYTES);
  } else {
    frame[1] = LENGTH_64;
    frame.writeUInt32BE(Math.floor(length / TWO_32), MIN_HEADER_BYTES);
    frame.writeUInt32BE(length % TWO_32, MIN_HEADER_BYTES + 4);
  }
  payload.copy(frame, start);
  return frame;
}

/** Encodes a close frame. `code`: one that may be sent, or 1005 for none. A reason that is too long is cut. */
export function encodeClose(code: number, reason: string): Buffer {
  const isBare = code === CloseCode.NONE;
  const payload = Buffer.from(isBare ? "" : `\0\0${fittingReason(reason)}`);
  if (!isBare) payload.writeUInt16BE(code, 0);
  return encodeFrame(FIN | Opcode.CLOSE, payload);
}

function mayBegin(opcode: number): boolean {
  return opcode === Opcode.TEXT || opcode === Opcode.BINARY;
}

/** Length of a header, as its second byte says. */
function headerBytes(second: number): number {
  const length = second & LENGTH;
  const lengthBytes = length === LENGTH_64 ? 8 : length === LENGTH_16 ? 2 : 0;
  return MIN_HEADER_BYTES + lengthBytes + ((second & MASK) === 0 ? 0 : KEY_BYTES);
}

/** Length of the payload, as the complete header from `start` on says. */
function payloadBytes(bytes: Buffer, start: number): number {
  const length = (bytes[start + 1] ?? 0) & LENGTH;
  const at = start + MIN_HEADER_BYTES;
  if (length === LENGTH_16) return bytes.readUInt16BE(at);
  if (length !== LENGTH_64) return length;
  return bytes.readUInt32BE(at) * TWO_32 + bytes.readUInt32BE(at + 4);
}
