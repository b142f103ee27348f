// How the header of a frame is laid out (RFC 6455 §5.2), whoever sends it. Pure.

export const Opcode = {
  CONTINUATION: 0,
  TEXT: 1,
  BINARY: 2,
  CLOSE: 8,
  PING: 9,
  PONG: 10,
} as const;

/** Of the first byte: bits, and where the opcode is. */
export const FIN = 0x80;
export const RSV1 = 0x40;
export const RSV2_3 = 0x30;
export const OPCODE = 0x0f;
/** Of the second: whether there is a mask; the length, or what kind of length follows. */
export const MASK = 0x80;
export const LENGTH = 0x7f;
/** Values of the length's seven bits that say how many bytes the length itself has. */
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;

export const SHORTEST_BYTES = 2;
export const KEY_BYTES = 4;
export const LONGEST_BYTES = SHORTEST_BYTES + 8 + KEY_BYTES;
export const TWO_32 = 4_294_967_296;

/** Bytes of a header by its second byte. */
export function headerBytes(second: number): number {
  const length = second & LENGTH;
  const lengthBytes = length === LENGTH_64 ? 8 : length === LENGTH_16 ? 2 : 0;
  return SHORTEST_BYTES + lengthBytes + ((second & MASK) === 0 ? 0 : KEY_BYTES);
}

/** Bytes of the payload behind the whole header at `at`. More than a number holds exactly is beyond all limits. */
export function payloadBytes(bytes: Buffer, at: number): number {
  const length = (bytes[at + 1] ?? 0) & LENGTH;
  const lengthAt = at + SHORTEST_BYTES;
  if (length === LENGTH_16) return bytes.readUInt16BE(lengthAt);
  if (length !== LENGTH_64) return length;
  return bytes.readUInt32BE(lengthAt) * TWO_32 + bytes.readUInt32BE(lengthAt + 4);
}
