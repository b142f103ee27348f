// SETTINGS of both sides (RFC 9113 §6.5). Pure.

import { ConnectionFault, ErrorCode } from "./error-code.ts";
import { MAX_PAYLOAD_BYTES, readUint32 } from "./frames.ts";
import { MAX_CONCURRENT_STREAMS } from "./limits.ts";

const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  /** RFC 8441 §3. */
  ENABLE_CONNECT_PROTOCOL: 0x8,
  /** RFC 9218 §2.1. */
  NO_RFC7540_PRIORITIES: 0x9,
} as const;

const SETTING_BYTES = 6;
/** The windows of a stream and of a connection before any setting or update; also the largest one. */
export const INITIAL_WINDOW_BYTES = 65_535;
export const MAX_WINDOW_BYTES = 0x7fff_ffff;
const MAX_FRAME_BYTES = 0xff_ffff;

/** What we tell every client; the values that are not named are the protocol's. */
export function ownSettings(maxListBytes: number): readonly (readonly [number, number])[] {
  return [
    [Setting.MAX_CONCURRENT_STREAMS, MAX_CONCURRENT_STREAMS],
    [Setting.MAX_HEADER_LIST_SIZE, maxListBytes],
    [Setting.ENABLE_CONNECT_PROTOCOL, 1],
    [Setting.NO_RFC7540_PRIORITIES, 1],
  ];
}

/** The settings of a client that concern us. */
export interface PeerSettings {
  /** Of its decoder's table, each value of this frame in order: the smallest counts too (RFC 7541 §4.2). */
  readonly headerTableBytes: number[];
  /** Window of each stream. */
  windowBytes: number;
}

/** Reads the payload of a SETTINGS frame into the settings. Throws ConnectionFault. */
export function readSettings(
  settings: PeerSettings,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  if ((end - start) % SETTING_BYTES !== 0)
    throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS hold an incomplete setting");
  for (let at = start; at < end; at += SETTING_BYTES) {
    const id = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    const value = readUint32(bytes, at + 2);
    if (id === Setting.HEADER_TABLE_SIZE) settings.headerTableBytes.push(value);
    else if (id === Setting.INITIAL_WINDOW_SIZE) {
      if (value > MAX_WINDOW_BYTES)
        throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large");
      settings.windowBytes = value;
    } else if (!isValid(id, value))
      throw new ConnectionFault(
        ErrorCode.PROTOCOL_ERROR,
        "a setting has a value that it cannot have",
      );
  }
}

/** Whether a setting without effect here has a value that it may have: no frame of ours is above the least size. */
function isValid(id: number, value: number): boolean {
  if (id === Setting.MAX_FRAME_SIZE) return value >= MAX_PAYLOAD_BYTES && value <= MAX_FRAME_BYTES;
  const isSwitch = id === Setting.ENABLE_PUSH || id === Setting.ENABLE_CONNECT_PROTOCOL;
  return !isSwitch || value <= 1;
}
