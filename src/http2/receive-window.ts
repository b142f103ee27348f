// How many bytes of DATA the client may still send (RFC 9113 §5.2), on one stream or on the whole connection. Bytes
// that were taken are given back in few, large updates. Pure.

export class ReceiveWindow {
  #size: number;
  #left: number;
  /** Bytes that were taken, or by which the window has grown, and that no update has given back. */
  #owed = 0;

  /** `size`: what the client knows; `left`: what it has not used of it. */
  constructor(size: number, left = size) {
    this.#size = size;
    this.#left = left;
  }

  /** Bytes have come; false: the client has sent more than it may. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Bytes were taken. Returns the increment of an update that is worth sending, 0 = none yet. */
  release(bytes: number): number {
    this.#owed += bytes;
    if (2 * this.#owed < this.#size) return 0;
    const increment = this.#owed;
    this.#left += increment;
    this.#owed = 0;
    return increment;
  }

  /** Makes the window larger; returns the increment. */
  grow(size: number): number {
    const more = Math.max(0, size - this.#size);
    this.#size += more;
    return this.release(more);
  }
}
