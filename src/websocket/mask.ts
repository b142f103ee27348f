// The mask of a client's payload (RFC 6455 §5.3): each byte is XORed with the next one of four. Reads are
// valid for a moment only, so taking the mask off and copying are one thing here.

import { KEY_BYTES } from "./frame-layout.ts";

/**
 * From here on a copy and 32-bit words cost less than a loop over bytes: 125 bytes take 0.16 µs either
 * way, 65,536 bytes 16 instead of 70 µs (as benchmarks/websocket-frames.ts shows with another value here).
 */
const MIN_WORDS_BYTES = 128;

/** The key as the machine's own words have it. */
const ROTATED = new Uint8Array(KEY_BYTES);
const ROTATED_WORD = new Int32Array(ROTATED.buffer);

export class Mask {
  readonly #key = new Uint8Array(KEY_BYTES);
  /** Bytes of the payload that have come, as far as they matter: 0 … 3. */
  #phase = 0;

  /** A payload begins whose key ends at `end`. */
  begin(bytes: Buffer, end: number): void {
    for (let index = 0; index < KEY_BYTES; index += 1)
      this.#key[index] = bytes[end - KEY_BYTES + index] ?? 0;
    this.#phase = 0;
  }

  /** Copies the payload's next bytes, `at` … `end` of `bytes`, into `target` from `start` on, without the mask. */
  copy(bytes: Buffer, at: number, end: number, target: Buffer, start: number): void {
    const length = end - at;
    const key = this.#key;
    const phase = this.#phase;
    this.#phase = (phase + length) & 3;
    if (length >= MIN_WORDS_BYTES) {
      bytes.copy(target, start, at, end);
      unmaskWords(target.subarray(start, start + length), key, phase);
      return;
    }
    for (let index = 0; index < length; index += 1)
      target[start + index] = (bytes[at + index] ?? 0) ^ (key[(phase + index) & 3] ?? 0);
  }
}

function unmaskWords(bytes: Buffer, key: Uint8Array, phase: number): void {
  // Words begin where the machine has them begin.
  const first = -bytes.byteOffset & (KEY_BYTES - 1);
  const count = Math.floor((bytes.length - first) / KEY_BYTES);
  for (let index = 0; index < KEY_BYTES; index += 1)
    ROTATED[index] = key[(phase + first + index) & 3] ?? 0;
  const word = ROTATED_WORD[0] ?? 0;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + first, count);
  for (let index = 0; index < count; index += 1) words[index] = (words[index] ?? 0) ^ word;
  const rest = first + count * KEY_BYTES;
  for (let index = 0; index < first; index += 1)
    bytes[index] = (bytes[index] ?? 0) ^ (key[(phase + index) & 3] ?? 0);
  for (let index = rest; index < bytes.length; index += 1)
    bytes[index] = (bytes[index] ?? 0) ^ (key[(phase + index) & 3] ?? 0);
}
