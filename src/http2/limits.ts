// Limits that only HTTP/2 has; net/connection-limits.ts has those of every connection. docs/limits.md says which
// attack each limit meets, and what happens when it is reached.

/** Streams of one connection that are open at a time; further ones are refused. RFC 9113 §5.1.2 asks for 100. */
export const MAX_CONCURRENT_STREAMS = 128;

/** Bytes of a field block before it is decoded, as a multiple of the limit of a head → GOAWAY. */
export const MAX_BLOCK_FACTOR = 2;
/** CONTINUATION frames of one field block → GOAWAY. Clients fill frames, so that 4 hold the largest block. */
export const MAX_CONTINUATIONS = 16;

/**
 * Frames that cost work and carry nothing (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA, unknown types) in
 * a second, beyond those that come with our DATA → GOAWAY.
 */
export const MAX_CONTROL_FRAMES_PER_SECOND = 1000;
/** Such frames that each of our DATA frames allows: an update of the stream's window, of the connection's, a ping. */
export const CONTROL_FRAMES_PER_DATA_FRAME = 4;
/** Smaller DATA frames of ours, which a client gets by tiny windows, allow none. */
export const MIN_EARNING_BYTES = 1024;
/** Streams that a client may cancel before their response, in one burst and a second → GOAWAY. Node: 1,000 in 30 s. */
export const MAX_RESETS = 256;
export const RESETS_PER_SECOND = 64;
/** Streams that we must reset by the client's fault, in one burst and a second → GOAWAY. */
export const MAX_STREAM_FAULTS = 100;
export const STREAM_FAULTS_PER_SECOND = 10;
/** Ids of streams that we have reset, for which frames of the client may be on their way; older ones are forgotten. */
export const REMEMBERED_RESETS = 256;

/** The window of the connection for the bodies of requests. It is given back as bytes arrive. */
export const CONNECTION_WINDOW_BYTES = 1_048_576;
/** The window of a stream before the handler takes its body: the protocol's initial value. */
export const STREAM_WINDOW_BYTES = 65_535;
/** … and while the handler takes a large body. */
export const WIDE_WINDOW_BYTES = 524_288;
/** Streams of one connection with a wide window. */
export const MAX_WIDE_STREAMS = 8;

/** Bytes of responses given to the socket at a time. */
export const TURN_BYTES = 65_536;
/** Bytes of frames that wait for the socket, DATA left out, at which the client's frames are no longer read. */
export const MAX_WAITING_CONTROL_BYTES = 65_536;
/** Unsent bytes of one stream at which its handler has to wait. */
export const STREAM_HIGH_WATER_BYTES = 65_536;

/** A connection with open streams that brings no byte for this time gets a PING … */
export const PING_AFTER_MS = 60_000;
/** … and is cut when no byte comes for this time after it. */
export const PING_TIMEOUT_MS = 60_000;
