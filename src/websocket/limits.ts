// Limits of what one client's WebSocket may cost. Each has a decided answer when it is reached; which
// attack each meets stands in docs/limits.md.

/** Bytes of a message, inflated → 1009. uvicorn: as many; ws: 100 MiB. */
export const MAX_MESSAGE_BYTES = 16_777_216;
/** Frames of one message → 1008. A message of 4 MiB in frames of 64 bytes has as many (Autobahn 9.3.1). */
export const MAX_FRAGMENTS = 65_536;
/**
 * A frame that says that it has no more bytes gets memory for all of them at once; that of a longer one
 * grows with what comes.
 */
export const TRUSTED_BYTES = 65_536;
/** Pings and pongs in a second → 1008. They bring nothing; a thousand take about 1 % of a core. */
export const MAX_CONTROL_FRAMES_PER_SECOND = 1000;
/**
 * Bytes of all messages that are unfinished or wait for the application; beyond it a client that has
 * begun one of more than FAIR_BYTES → 1013.
 */
export const MESSAGE_MEMORY_BYTES = 268_435_456;
export const FAIR_BYTES = 65_536;

/** Between two pings; also for a client that takes nothing of what is sent. websockets: 20 s. */
export const PING_INTERVAL_MS = 20_000;
/** For the pong, or anything else, to come after a ping. websockets: 20 s. */
export const PING_TIMEOUT_MS = 20_000;
/**
 * For the application to answer what came before its client's close frame, or before what its client may
 * not send. Clients wait for the answer to their close frame, websockets 10 s.
 */
export const ANSWER_MS = 1000;
/** For the client to answer our close frame. websockets: 10 s; ws: 30 s. */
export const CLOSE_TIMEOUT_MS = 10_000;
/** After our last byte the client may go on sending for so long and so much, so that it reads it. */
export const LINGER_MS = 2000;
export const LINGER_BYTES = 16_777_216;

/** Shorter messages are not compressed. */
export const DEFLATE_THRESHOLD_BYTES = 1024;
/** Window and memory of compression: 32 KiB a connection, freed when it is idle. websockets: the same. */
export const DEFLATE_WINDOW_BITS = 12;
export const DEFLATE_MEMORY_LEVEL = 5;
/** Pieces that are deflated or inflated at a time, of all connections; more wait. ws: as many. */
export const DEFLATE_JOBS = 10;

/** Bytes of the answer to a handshake that an application writes by itself. As of a request's head, halved. */
export const MAX_UPGRADE_HEAD_BYTES = 16_384;
/** Bytes that wait each way between a client and such an application, before whoever sends them is not read. */
export const RELAY_BYTES = 65_536;
/** For a client to take anything while so much waits for it. As for answers of HTTP. */
export const RELAY_STALLED_MS = 60_000;

/** Bytes of a close frame's reason. RFC 6455 §5.5. */
export const MAX_REASON_BYTES = 123;
