// What an operator may choose of WebSockets, and what holds where nobody has chosen.

import { MAX_MESSAGE_BYTES, PING_INTERVAL_MS, PING_TIMEOUT_MS } from "./limits.ts";

export interface WebSocketSettings {
  /** Of one message, inflated. */
  readonly maxMessageBytes: number;
  /** Between two pings; 0: none are sent. */
  readonly pingIntervalMs: number;
  /** For anything to come after a ping; 0: for ever. */
  readonly pingTimeoutMs: number;
  /** Whether messages may be compressed. */
  readonly mayCompress: boolean;
}

export const DEFAULT_SETTINGS: WebSocketSettings = {
  maxMessageBytes: MAX_MESSAGE_BYTES,
  pingIntervalMs: PING_INTERVAL_MS,
  pingTimeoutMs: PING_TIMEOUT_MS,
  mayCompress: true,
};
