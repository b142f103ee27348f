// Where frames begin and end in a stream of bytes (RFC 6455 §5.2): their headers only, whatever they hold
// and whoever sent them. For who passes frames on and has to know where a frame of its own may stand, and
// which one is the last, and its code.

import { CloseCode } from "./close-code.ts";
import {
  headerBytes,
  KEY_BYTES,
  LONGEST_BYTES,
  MASK,
  Opcode,
  OPCODE,
  payloadBytes,
  SHORTEST_BYTES,
} from "./frame-layout.ts";

const CODE_BYTES = 2;

export class FrameBorders {
  /** The header that is being read. */
  readonly #header = Buffer.alloc(LONGEST_BYTES);
  #held = 0;
  /** Bytes of payload that have not come. */
  #left = 0;
  #isClosing = false;
  #hasClosed = false;
  /** Bytes of the key that masks the payload; empty: it is not masked. */
  #key: Buffer = Buffer.alloc(0);
  /** The first bytes of the close frame's payload, unmasked. */
  readonly #code: number[] = [];

  /** Whether a frame has ended, and the next one not begun. */
  get isAtBorder(): boolean {
    return this.#held === 0 && this.#left === 0;
  }

  /** Whether a close frame has come whole: nothing behind it counts. */
  get hasClosed(): boolean {
    return this.#hasClosed;
  }

  /** The code in the close frame; 1005: there is none. */
  get closeCode(): number {
    const [high, low] = this.#code;
    return high === undefined || low === undefined ? CloseCode.NONE : high * 256 + low;
  }

  /**
   * Reads on; returns the index behind what it has read: all of `bytes`, or less where the close frame
   * ends before, or, with `toBorder`, where any frame does.
   */
  read(bytes: Buffer, toBorder = false): number {
    let at = 0;
    while (at < bytes.length && !this.#hasClosed) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, bytes.length - at);
        if (this.#isClosing) this.#readCode(bytes.subarray(at, at + taken));
        this.#left -= taken;
        at += taken;
      } else {
        this.#header[this.#held] = bytes[at] ?? 0;
        this.#held += 1;
        at += 1;
        if (this.#held < neededBytes(this.#header, this.#held)) continue;
        this.#begin();
      }
      if (this.#left > 0) continue;
      this.#hasClosed = this.#isClosing;
      if (toBorder) break;
    }
    return at;
  }

  /** The header is whole. */
  #begin(): void {
    const header = this.#header;
    this.#left = payloadBytes(header, 0);
    this.#isClosing = ((header[0] ?? 0) & OPCODE) === Opcode.CLOSE;
    const isMasked = ((header[1] ?? 0) & MASK) !== 0;
    this.#key = header.subarray(this.#held - (isMasked ? KEY_BYTES : 0), this.#held);
    this.#held = 0;
  }

  #readCode(payload: Buffer): void {
    for (const byte of payload.subarray(0, CODE_BYTES - this.#code.length))
      this.#code.push(byte ^ (this.#key[this.#code.length] ?? 0));
  }
}

/** Bytes of a header of which `held` are there; before the second one more than are. */
function neededBytes(header: Buffer, held: number): number {
  return held < SHORTEST_BYTES ? SHORTEST_BYTES : headerBytes(header[1] ?? 0);
}
