// Limits on the cost of one client's WebSocket. docs/limits.md says which attack or accident each limit meets,
// and what happens when it is reached.

/** Bytes of a message, inflated → 1009. uvicorn: as many; ws: 100 MiB. */
export const MAX_MESSAGE_BYTES = 16_777_216;
/** Frames of one message → 1008. A message of 4 MiB in frames of 64 bytes has as many (Autobahn 9.3.1). */
export const MAX_FRAGMENTS = 65_536;
/**
 * A frame that announces at most so many bytes gets a buffer for all of them at once; the buffer of a longer
 * frame grows with the bytes that come.
 */
export const TRUSTED_BYTES = 4096;
/**
 * In each window of this length a message that has begun must bring MIN_BODY_BYTES_PER_SECOND, and a control frame must
 * be whole → 1008. Six times the window of a request's body: a client waits for a lost packet for tens of seconds, and
 * no worker waits for a message.
 */
export const MESSAGE_WINDOW_MS = 60_000;
/** Pings and pongs in a second → 1008. They carry no message; a thousand take about 1 % of a core. */
export const MAX_CONTROL_FRAMES_PER_SECOND = 1000;
/**
 * Bytes of all messages of an application that are unfinished or that it has not received; less on a machine of
 * which they would be more than the share, but at least two of the largest messages. When they are used up, a client that has begun a message of more than FAIR_BYTES → 1013, and a
 * client with FAIR_BYTES of messages unread is not read. When twice as many are used, a client that has begun a
 * message of more than LEAST_FAIR_BYTES → 1013.
 */
export const MESSAGE_MEMORY_BYTES = 134_217_728;
export const MESSAGE_MEMORY_SHARE = 0.125;
export const FAIR_BYTES = 65_536;
export const LEAST_FAIR_BYTES = 4096;
/**
 * Bytes of all messages of an application on their way to clients that read, beyond 65,536 of each client: room for
 * 170 clients that read as fast as they can.
 */
export const OUTGOING_MEMORY_BYTES = 33_554_432;

/** Time between two pings, and between two checks of a client that takes no bytes. websockets: 20 s. */
export const PING_INTERVAL_MS = 20_000;
/** Time for the pong, or any other bytes, after a ping. websockets: 20 s. */
export const PING_TIMEOUT_MS = 20_000;
/**
 * Time for the application to answer the messages before the client's close frame or protocol error. Clients
 * wait for our close frame meanwhile, websockets for 10 s.
 */
export const ANSWER_MS = 1000;
/** Time for the client to reply to our close frame. websockets: 10 s; ws: 30 s. */
export const CLOSE_TIMEOUT_MS = 10_000;

/**
 * Bytes and members of Sec-WebSocket-Extensions that are looked at; with more a WebSocket is not compressed.
 * Browsers offer one extension in 50 bytes.
 */
export const MAX_EXTENSION_BYTES = 2048;
export const MAX_EXTENSIONS = 16;
/** Subprotocols that a client may offer → 400. Clients offer a few. */
export const MAX_SUBPROTOCOLS = 128;

/** Shorter messages are not compressed. */
export const DEFLATE_THRESHOLD_BYTES = 1024;
/** Window and memory of compression: 32 KiB while a message is compressed. websockets: the same. */
export const DEFLATE_WINDOW_BITS = 12;
export const DEFLATE_MEMORY_LEVEL = 5;
/** Compressed bytes of an unfinished message that wait before they are inflated. */
export const INFLATE_BATCH_BYTES = 65_536;
/**
 * Bytes of a message that passes through zlib in the front's own thread: 5 µs to inflate and 8 µs to deflate 1,000
 * bytes, against 20 to 40 µs of CPU time through another thread and back.
 */
export const DEFLATE_NOW_BYTES = 8192;
/** Bytes of all connections that pass through zlib there in one turn of the event loop: 0.3 ms, at most 4 ms. */
export const DEFLATE_TURN_BYTES = 131_072;

/** Bytes of a response to the handshake that an application writes by itself: half of a request's head. */
export const MAX_UPGRADE_HEAD_BYTES = 16_384;
/** Bytes that wait each way between a client and such an application before the sender is not read. */
export const RELAY_BYTES = 65_536;
/** Time for a client to take any of so many waiting bytes. As for HTTP responses. */
export const RELAY_STALLED_MS = 60_000;

/** Bytes of a close frame's reason. RFC 6455 §5.5. */
export const MAX_REASON_BYTES = 123;
