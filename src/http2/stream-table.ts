// The open streams of one connection, by ascending id. Ids only grow, so that a new stream is the last one, and a
// stream is found by halving. Not a Map: with short streams it would leave dead tables in memory
// (docs/decisions/0007). Pure.

export class StreamTable<S extends { readonly id: number }> {
  readonly #streams: S[] = [];

  get size(): number {
    return this.#streams.length;
  }

  /** The streams; valid until one is added or removed. */
  get all(): readonly S[] {
    return this.#streams;
  }

  /** The streams in a list of its own: a call to one stream may remove it from the table. */
  copy(): S[] {
    return [...this.#streams];
  }

  /** Adds a stream whose id is above all others. */
  add(stream: S): void {
    this.#streams.push(stream);
  }

  find(id: number): S | null {
    const stream = this.#streams[this.#indexOf(id)];
    return stream !== undefined && stream.id === id ? stream : null;
  }

  /** Does nothing if the stream is not in the table. */
  remove(stream: S): void {
    const streams = this.#streams;
    const index = this.#indexOf(stream.id);
    if (streams[index] !== stream) return;
    for (let i = index + 1; i < streams.length; i += 1) {
      const next = streams[i];
      if (next !== undefined) streams[i - 1] = next;
    }
    streams.length -= 1;
  }

  /** Index of the first stream whose id is not below `id`. */
  #indexOf(id: number): number {
    let low = 0;
    let high = this.#streams.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#streams[middle]?.id ?? 0) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
