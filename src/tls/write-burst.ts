// How large the pieces are that a TLS socket is given. Node keeps a connection's largest output buffer until the
// connection ends: 64 KiB of one response at a time cost 56 kB of memory for as long as the client stays, pieces of 16 kB
// cost none of it. Large pieces save a quarter of the CPU of a large download (docs/decisions/0010-tls.md).
// So a connection gets small pieces until it has sent much without a rest. Pure.

/** A piece, which with the 22 bytes and more around it fits the buffers of 16 KiB that Node allocates. */
export const SMALL_WRITE_BYTES = 16_000;
/** Bytes without a rest from which on pieces are large. */
export const LONG_BURST_BYTES = 524_288;
/** A rest, ms. */
const REST_MS = 100;

export class WriteBurst {
  #bytes = 0;
  #at = 0;

  /** Counts a write; whether it is to go in small pieces. `now`: ms of a monotonic clock. */
  isShort(bytes: number, now: number): boolean {
    if (now - this.#at > REST_MS) this.#bytes = 0;
    this.#bytes += bytes;
    this.#at = now;
    return this.#bytes < LONG_BURST_BYTES;
  }
}
