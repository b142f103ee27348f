// The header of a client's frame (RFC 6455 §5.2): read from however many pieces it comes in, and judged by
// itself, apart from its payload. Knows nothing of what the frame says.

import {
  FIN,
  headerBytes,
  LENGTH,
  LONGEST_BYTES,
  MASK,
  Opcode,
  OPCODE,
  payloadBytes,
  RSV1,
  RSV2_3,
  SHORTEST_BYTES,
} from "./frame-layout.ts";
import { Mask } from "./mask.ts";

const MAX_CONTROL_BYTES = 125;

export class FrameHeader {
  /** Bytes of a header that was not whole. */
  readonly #held = Buffer.alloc(LONGEST_BYTES);
  #count = 0;
  #first = 0;
  #second = 0;
  /** The payload's. */
  readonly mask = new Mask();
  /** The payload's. */
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

  /** Whether it has come so far that it can be judged. */
  get isJudgeable(): boolean {
    return this.#count === 0 || this.#count >= SHORTEST_BYTES;
  }

  /** Whether all of it has come. */
  get isWhole(): boolean {
    return this.#count === 0;
  }

  /** Reads on, or begins the next one; returns the index behind what it has read. */
  read(bytes: Buffer, at: number): number {
    const end = at + neededBytes(bytes[at + 1] ?? 0);
    if (this.#count === 0 && at + 1 < bytes.length && end <= bytes.length) {
      this.#take(bytes, at, end);
      return end;
    }
    return this.#hold(bytes, at);
  }

  /** What is wrong with it, null: nothing. `isInside`: a message has begun and not ended. */
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

  #hold(bytes: Buffer, at: number): number {
    const held = this.#held;
    for (let next = at; next < bytes.length;) {
      held[this.#count] = bytes[next] ?? 0;
      this.#count += 1;
      next += 1;
      this.#first = held[0] ?? 0;
      this.#second = held[1] ?? 0;
      if (this.#count < neededBytes(this.#second)) continue;
      this.#take(held, 0, this.#count);
      this.#count = 0;
      return next;
    }
    return bytes.length;
  }

  #take(bytes: Buffer, at: number, end: number): void {
    this.#first = bytes[at] ?? 0;
    this.#second = bytes[at + 1] ?? 0;
    // An unmasked frame is refused by its first two bytes: its length need not have come.
    if ((this.#second & MASK) === 0) return;
    this.length = payloadBytes(bytes, at);
    this.mask.begin(bytes, end);
  }
}

function mayBegin(opcode: number): boolean {
  return opcode === Opcode.TEXT || opcode === Opcode.BINARY;
}

/** Bytes to read by the second byte: of a header without a mask no more than it takes to refuse it. */
function neededBytes(second: number): number {
  return (second & MASK) === 0 ? SHORTEST_BYTES : headerBytes(second);
}
