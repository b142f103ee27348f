// Codes and reasons of close frames (RFC 6455 §7.4): the codes that the server uses, and which codes may be
// sent. Pure.

import { MAX_REASON_BYTES } from "./limits.ts";

export const CloseCode = {
  NORMAL: 1000,
  PROTOCOL_ERROR: 1002,
  /** Means a close frame without a code; never sent. */
  NONE: 1005,
  /** Means the end of a connection without a close frame; never sent. */
  ABNORMAL: 1006,
  INVALID_TEXT: 1007,
  POLICY_VIOLATION: 1008,
  TOO_BIG: 1009,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
} as const;

/** Why a WebSocket is closed: the contents of a close frame. */
export interface CloseStatus {
  readonly code: number;
  readonly reason: string;
}

/** Whether a close frame may hold this code: one that is assigned, or free for applications. */
export function maySend(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  const isAssigned = code >= 1000 && code <= 1014;
  return isAssigned && code !== 1004 && code !== CloseCode.NONE && code !== CloseCode.ABNORMAL;
}

/** Returns as many whole characters of a reason as fit into a close frame. */
export function fittingReason(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  let end = MAX_REASON_BYTES;
  // Back to the first byte of a character: the others are 10xxxxxx in UTF-8.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
