// Frames as bytes (RFC 9113 §4, §6): types, flags, and writers that append whole frames to an output. Pure.

import type { ErrorCode } from "./error-code.ts";
import type { HpackOutput } from "./hpack-output.ts";

export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
  /** RFC 9218 §7.1. */
  PRIORITY_UPDATE: 0x10,
} as const;

export const Flag = {
  /** Of DATA and HEADERS. */
  END_STREAM: 0x1,
  /** Of SETTINGS and PING. */
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  /** HEADERS begin with a dependency and a weight, which are ignored (RFC 9113 §5.3.2). */
  PRIORITY: 0x20,
} as const;

export const HEADER_BYTES = 9;
/** The largest payload that we take, and the smallest limit that a peer may have. RFC 9113 §4.2. */
export const MAX_PAYLOAD_BYTES = 16_384;
export const PING_BYTES = 8;
export const MAX_STREAM_ID = 0x7fff_ffff;
/** What a client sends first. RFC 9113 §3.4. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Writes a frame's header at `at`, where there is room for it. */
function putHeader(
  bytes: Buffer,
  at: number,
  length: number,
  typeAndFlags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = typeAndFlags >>> 8;
  bytes[at + 4] = typeAndFlags;
  putUint32(bytes, at + 5, streamId);
}

function putUint32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Appends a header; the caller appends the payload. */
function begin(
  output: HpackOutput,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  output.reserve(HEADER_BYTES + length);
  putHeader(output.bytes, output.length, length, (type << 8) | flags, streamId);
  output.length += HEADER_BYTES;
}

function uint32(output: HpackOutput, value: number): void {
  putUint32(output.bytes, output.length, value);
  output.length += 4;
}

/** Begins a DATA frame; the caller appends `length` bytes. */
export function beginData(
  output: HpackOutput,
  streamId: number,
  length: number,
  isLast: boolean,
): void {
  begin(output, length, FrameType.DATA, isLast ? Flag.END_STREAM : 0, streamId);
}

/** Makes room for the header of HEADERS, whose block is then appended; returns its index. */
export function beginHeaders(output: HpackOutput): number {
  output.reserve(HEADER_BYTES);
  const start = output.length;
  output.length += HEADER_BYTES;
  return start;
}

/** Ends the HEADERS frame that began at `start`; a long block goes on in CONTINUATION frames. */
export function endHeaders(
  output: HpackOutput,
  start: number,
  streamId: number,
  isLast: boolean,
): void {
  const flags = isLast ? Flag.END_STREAM : 0;
  const length = output.length - start - HEADER_BYTES;
  if (length <= MAX_PAYLOAD_BYTES) {
    const typeAndFlags = (FrameType.HEADERS << 8) | flags | Flag.END_HEADERS;
    putHeader(output.bytes, start, length, typeAndFlags, streamId);
    return;
  }
  const block = Buffer.from(output.bytes.subarray(start + HEADER_BYTES, output.length));
  output.length = start;
  for (let at = 0; at < length; at += MAX_PAYLOAD_BYTES) {
    const end = Math.min(at + MAX_PAYLOAD_BYTES, length);
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    const endFlag = end === length ? Flag.END_HEADERS : 0;
    begin(output, end - at, type, (at === 0 ? flags : 0) | endFlag, streamId);
    output.append(block.subarray(at, end));
  }
}

export function writeReset(output: HpackOutput, streamId: number, code: ErrorCode): void {
  begin(output, 4, FrameType.RST_STREAM, 0, streamId);
  uint32(output, code);
}

/** `streamId`: 0 = the window of the connection. */
export function writeWindowUpdate(output: HpackOutput, streamId: number, increment: number): void {
  begin(output, 4, FrameType.WINDOW_UPDATE, 0, streamId);
  uint32(output, increment);
}

export function writeSettings(
  output: HpackOutput,
  settings: readonly (readonly [id: number, value: number])[],
): void {
  begin(output, 6 * settings.length, FrameType.SETTINGS, 0, 0);
  for (const [id, value] of settings) {
    output.bytes[output.length] = id >>> 8;
    output.bytes[output.length + 1] = id;
    output.length += 2;
    uint32(output, value);
  }
}

export function writeSettingsAck(output: HpackOutput): void {
  begin(output, 0, FrameType.SETTINGS, Flag.ACK, 0);
}

/** `bytes`: the eight bytes from `start`. */
export function writePing(output: HpackOutput, isAck: boolean, bytes: Buffer, start: number): void {
  begin(output, PING_BYTES, FrameType.PING, isAck ? Flag.ACK : 0, 0);
  output.append(bytes.subarray(start, start + PING_BYTES));
}

/** `reason`: latin-1, for whoever debugs the client. */
export function writeGoAway(
  output: HpackOutput,
  lastStreamId: number,
  code: ErrorCode,
  reason: string,
): void {
  begin(output, 8 + reason.length, FrameType.GOAWAY, 0, 0);
  uint32(output, lastStreamId);
  uint32(output, code);
  output.append(Buffer.from(reason, "latin1"));
}

export function readUint32(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

/** A stream's id, or an increment: 31 bits, the first bit is reserved. */
export function readUint31(bytes: Buffer, at: number): number {
  return readUint32(bytes, at) & 0x7fff_ffff;
}
