// Codes of close frames (RFC 6455 §7.4): those that we send ourselves, and which ones may stand on a wire.
// Pure.

import { MAX_REASON_BYTES } from "./limits.ts";

export const CloseCode = {
  NORMAL: 1000,
  PROTOCOL_ERROR: 1002,
  /** There was a close frame and no code in it; never sent. */
  NONE: 1005,
  /** There was no close frame; never sent. */
  ABNORMAL: 1006,
  INVALID_TEXT: 1007,
  POLICY_VIOLATION: 1008,
  TOO_BIG: 1009,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
} as const;

/** What a client did that it may not. */
export interface Fault {
  readonly code: number;
  readonly reason: string;
}

/** Whether a code may be sent: assigned to be, or free for applications. */
export function maySend(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  const isAssigned = code >= 1000 && code <= 1014;
  return isAssigned && code !== 1004 && code !== CloseCode.NONE && code !== CloseCode.ABNORMAL;
}

/** As much of a reason as fits into a close frame, whole characters. */
export function fittingReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  let end = MAX_REASON_BYTES;
  // Not between the bytes of one character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
