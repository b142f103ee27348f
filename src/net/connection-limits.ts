// Limits on the cost of one client's connection, whatever its HTTP version. docs/limits.md says which attack each
// limit meets, and what happens when it is reached.

/** Bytes of a request line without CRLF → 414. RFC 9112 §3 asks for 8,000; nginx and Apache: 8 KiB. */
export const MAX_REQUEST_LINE_BYTES = 8192;
/** Bytes of a method → 501. The longest registered one has 17. */
export const MAX_METHOD_BYTES = 128;
/** Bytes of a head from its first to its empty line → 431; also of trailers. nginx: 4 × 8 KiB. */
export const MAX_HEAD_BYTES = 32_768;
/** Field lines of a head → 431; also of trailers. Apache: 100. */
export const MAX_FIELDS = 100;
/** Bytes of a body → 413. */
export const DEFAULT_MAX_BODY_BYTES = 1_073_741_824;

/** Time from a head's first byte to its last, for the first head from the connection's beginning → 408. */
export const HEAD_TIMEOUT_MS = 10_000;
/** Time without a byte of a body that is being read → 408. nginx: 60 s. */
export const DEFAULT_BODY_TIMEOUT_MS = 60_000;
/** In each window of this length a body that is received whole must bring MIN_BODY_BYTES_PER_SECOND → 408. */
export const BODY_WINDOW_MS = 10_000;
/** Apache's mod_reqtimeout: 500 B/s. */
export const MIN_BODY_BYTES_PER_SECOND = 500;
/**
 * Time for such a body, and a second more for each BODY_BYTES_PER_SECOND of it → 408: a gigabyte may take 19
 * hours. mod_reqtimeout has the same rule (MinRate), from 20 s on.
 */
export const BODY_GRACE_MS = 3_600_000;
export const BODY_BYTES_PER_SECOND = 16_384;
/** Time until an idle connection is closed. nginx: 75 s. */
export const DEFAULT_KEEP_ALIVE_MS = 75_000;
/** Time until a client that takes no byte of its response is cut. nginx: 60 s. */
export const STALLED_READER_MS = 60_000;

/** While draining, time for a connection without a request to send its first one. */
export const DRAIN_NEW_MS = 1000;

// Of all connections together. At each limit the connections that have waited longest for their client give way.

/** Memory of incomplete heads, incomplete lines of chunked bodies, and bytes read ahead. */
export const INPUT_MEMORY_BYTES = 33_554_432;
/** Memory of the large heads of requests that have not got their whole response. */
export const HEAD_MEMORY_BYTES = 33_554_432;
/** Heads up to this size are not counted there: counting them would cost each request, and they are few pages. */
export const SMALL_HEAD_BYTES = 4096;
/** Memory of responses that wait for their clients, at least … */
export const OUTPUT_MEMORY_BYTES = 67_108_864;
/** … and this share of the memory that the server may use, so that many slow downloads find room. */
export const OUTPUT_MEMORY_SHARE = 0.125;
