// Where frames begin and end in a stream of bytes (RFC 6455 §5.2), masked or not. For the relay, which passes
// frames on unread: it may insert a close frame between two frames, has to know the code of a close frame, and
// ignores all bytes after one.

import { CloseCode } from "./close-code.ts";
import { FrameHeader, Opcode } from "./frame.ts";

/** Bytes of the code in a close frame. */
const CODE_BYTES = 2;

export class FrameBoundaries {
  readonly #header = new FrameHeader();
  /** Bytes of the current frame's payload that have not come. */
  #left = 0;
  #hasClosed = false;
  /** The code in the close frame, without its mask, and how many bytes of the code have come. */
  readonly #code = Buffer.alloc(CODE_BYTES);
  #codeBytes = 0;

  /** Whether the last frame is complete, and the next one has not begun. */
  get isAtBoundary(): boolean {
    return this.#header.isComplete && this.#left === 0;
  }

  /** Whether a close frame has come completely; bytes after it are ignored. */
  get hasClosed(): boolean {
    return this.#hasClosed;
  }

  /** The code in the close frame, 1005 if there is none. */
  get closeCode(): number {
    return this.#codeBytes < CODE_BYTES ? CloseCode.NONE : this.#code.readUInt16BE(0);
  }

  /**
   * Follows the frames in `bytes`; returns the index at which it stops: after a close frame, else at the end of
   * `bytes`, or, with `toBoundary`, after the first frame that ends.
   */
  read(bytes: Buffer, toBoundary = false): number {
    let index = 0;
    while (index < bytes.length && !this.#hasClosed) {
      if (this.#left === 0) index = this.#readHeader(bytes, index);
      else index = this.#skipPayload(bytes, index);
      if (!this.isAtBoundary) continue;
      this.#hasClosed = this.#header.opcode === Opcode.CLOSE;
      if (toBoundary) break;
    }
    return index;
  }

  #readHeader(bytes: Buffer, index: number): number {
    const end = this.#header.read(bytes, index);
    if (this.#header.isComplete) this.#left = this.#header.length;
    return end;
  }

  #skipPayload(bytes: Buffer, index: number): number {
    const end = Math.min(index + this.#left, bytes.length);
    this.#left -= end - index;
    if (this.#header.opcode === Opcode.CLOSE && this.#codeBytes < CODE_BYTES) {
      const codeEnd = Math.min(end, index + CODE_BYTES - this.#codeBytes);
      this.#header.mask.copy(bytes, index, codeEnd, this.#code, this.#codeBytes);
      this.#codeBytes += codeEnd - index;
    }
    return end;
  }
}
