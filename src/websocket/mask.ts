// The mask of a client's payload (RFC 6455 §5.3): byte i of the payload is XORed with byte i mod 4 of the key.
// Bytes of a socket are valid during one event only and have to be copied, so unmasking and copying are one
// step here.

export const KEY_BYTES = 4;

/**
 * From this length on, copying and then XORing 32-bit words costs less than a loop over bytes: 125 bytes take
 * 0.16 µs either way, 65,536 bytes 16 instead of 70 µs (benchmarks/websocket-frames.ts with other values here).
 */
const MIN_WORDS_BYTES = 128;

/** The key rotated to the first aligned word, as bytes and as one word of this machine. */
const ROTATED = new Uint8Array(KEY_BYTES);
const ROTATED_WORD = new Int32Array(ROTATED.buffer);

export class Mask {
  readonly #key = new Uint8Array(KEY_BYTES);
  /** Index into the key of the next byte of payload. */
  #phase = 0;

  /** Begins a payload, whose key ends at `end`. */
  begin(bytes: Buffer, end: number): void {
    for (let index = 0; index < KEY_BYTES; index += 1)
      this.#key[index] = bytes[end - KEY_BYTES + index] ?? 0;
    this.#phase = 0;
  }

  /** Begins a payload that is not masked. */
  clear(): void {
    this.#key.fill(0);
  }

  /** Copies the next bytes of the payload, `start` … `end` of `bytes`, unmasked to `target` from `targetStart` on. */
  copy(bytes: Buffer, start: number, end: number, target: Buffer, targetStart: number): void {
    const length = end - start;
    const key = this.#key;
    const phase = this.#phase;
    this.#phase = (phase + length) & 3;
    if (length >= MIN_WORDS_BYTES) {
      bytes.copy(target, targetStart, start, end);
      unmaskWords(target.subarray(targetStart, targetStart + length), key, phase);
      return;
    }
    for (let index = 0; index < length; index += 1)
      target[targetStart + index] = (bytes[start + index] ?? 0) ^ (key[(phase + index) & 3] ?? 0);
  }
}

function unmaskWords(bytes: Buffer, key: Uint8Array, phase: number): void {
  // The first 4-byte-aligned offset: an Int32Array begins nowhere else.
  const first = -bytes.byteOffset & (KEY_BYTES - 1);
  const count = Math.floor((bytes.length - first) / KEY_BYTES);
  for (let index = 0; index < KEY_BYTES; index += 1)
    ROTATED[index] = key[(phase + first + index) & 3] ?? 0;
  const word = ROTATED_WORD[0] ?? 0;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + first, count);
  for (let index = 0; index < count; index += 1) words[index] = (words[index] ?? 0) ^ word;
  unmaskBytes(bytes, 0, first, key, phase);
  unmaskBytes(bytes, first + count * KEY_BYTES, bytes.length, key, phase);
}

/** Unmasks the few bytes before or behind the aligned words. */
function unmaskBytes(
  bytes: Buffer,
  start: number,
  end: number,
  key: Uint8Array,
  phase: number,
): void {
  for (let index = start; index < end; index += 1)
    bytes[index] = (bytes[index] ?? 0) ^ (key[(phase + index) & 3] ?? 0);
}
