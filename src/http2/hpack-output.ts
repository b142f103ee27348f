// The bytes of field blocks, and of what an engine writes around them: a buffer that grows. Its integers and
// strings are those of RFC 7541 §5. One output serves all connections: what is written is taken before `clear`.
// The limits of response heads bound its size. Pure.

import { huffmanEncode, huffmanLength } from "./hpack-huffman.ts";

/** A buffer that grew above this is given up by `clear`. Most heads have some hundred bytes. */
const MAX_KEPT_OUTPUT_BYTES = 65_536;
const INITIAL_BYTES = 16_384;
/** Most bytes of an integer: its prefix, and 32 bits in groups of 7. */
const INTEGER_ROOM_BYTES = 6;

export class HpackOutput {
  /** The buffer; `length` bytes of it are written. Another one after `reserve`. */
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  length = 0;

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }

  clear(): void {
    this.length = 0;
    if (this.bytes.length > MAX_KEPT_OUTPUT_BYTES)
      this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Writes an integer after the bits of `first`; `prefix`: the bits of its first byte, 2^N - 1. */
  integer(first: number, prefix: number, value: number): void {
    this.reserve(INTEGER_ROOM_BYTES);
    if (value < prefix) {
      this.bytes[this.length++] = first | value;
      return;
    }
    this.bytes[this.length++] = first | prefix;
    let rest = value - prefix;
    for (; rest >= 0x80; rest >>>= 7) this.bytes[this.length++] = (rest & 0x7f) | 0x80;
    this.bytes[this.length++] = rest;
  }

  /** Writes a latin-1 string as it is. */
  string(text: string): void {
    this.integer(0, 0x7f, text.length);
    this.reserve(text.length);
    this.bytes.write(text, this.length, "latin1");
    this.length += text.length;
  }

  /** Writes a latin-1 string in the Huffman code, or as it is where that is not longer. */
  codedString(text: string): void {
    const length = huffmanLength(text);
    if (length >= text.length) {
      this.string(text);
      return;
    }
    this.integer(0x80, 0x7f, length);
    this.reserve(length);
    this.length = huffmanEncode(text, this.bytes, this.length);
  }
}
