// Frames as a server sends them (RFC 6455 §5.2), never masked: header and payload in one piece of memory,
// because two buffers in one writev cost a quarter more than one write.

import { bufferPool } from "../net/buffer-pool.ts";
import { CloseCode, fittingReason } from "./close-code.ts";
import { FIN, LENGTH_16, LENGTH_64, Opcode, SHORTEST_BYTES, TWO_32 } from "./frame-layout.ts";

const MAX_LENGTH_16 = 65_535;

/** One frame. `first`: its first byte, the opcode and its bits. */
export function encodeFrame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const lengthBytes = length < LENGTH_16 ? 0 : length <= MAX_LENGTH_16 ? 2 : 8;
  const start = SHORTEST_BYTES + lengthBytes;
  const frame = bufferPool.acquire(start + length);
  frame[0] = first;
  if (lengthBytes === 0) frame[1] = length;
  else if (lengthBytes === 2) {
    frame[1] = LENGTH_16;
    frame.writeUInt16BE(length, SHORTEST_BYTES);
  } else {
    frame[1] = LENGTH_64;
    frame.writeUInt32BE(Math.floor(length / TWO_32), SHORTEST_BYTES);
    frame.writeUInt32BE(length % TWO_32, SHORTEST_BYTES + 4);
  }
  payload.copy(frame, start);
  return frame;
}

/** A close frame. `code`: one that may be sent, or 1005 for none; as much of the reason as fits. */
export function encodeClose(code: number, reason: string): Buffer {
  const isBare = code === CloseCode.NONE;
  const payload = Buffer.from(isBare ? "" : `\0\0${fittingReason(reason)}`);
  if (!isBare) payload.writeUInt16BE(code, 0);
  return encodeFrame(FIN | Opcode.CLOSE, payload);
}
