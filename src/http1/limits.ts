// Limits that only HTTP/1.1 has; net/connection-limits.ts has those of every connection. docs/limits.md says which
// attack each limit meets, and what happens when it is reached.

/** Bytes of empty lines before a request → 400. RFC 9112 §2.2 asks for one line. */
export const MAX_LEADING_BYTES = 1024;
/** Bytes of chunk extensions in one request → 400. Clients do not use them; Node and Go: 16 KiB. */
export const MAX_CHUNK_EXTENSION_BYTES = 4096;
/** Hexadecimal digits of a chunk's size, zeros included → 400. */
export const MAX_CHUNK_SIZE_DIGITS = 32;
/** Bytes of further requests that are read before a request has its response; then the socket is paused. */
export const READ_AHEAD_BYTES = 32_768;
