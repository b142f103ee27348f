// All connections of one engine: adding and removing in constant time, the ticks of the clock, draining, and the
// choice of idle connections that are closed when descriptors run out. Knows no protocol.

/** A connection as its list sees it. */
export interface ListedConnection {
  /** Index in the list; -1: not in it. Only the list writes it. */
  index: number;
  /** Time since when the connection is idle; Infinity while busy. */
  readonly idleSince: number;
  /** Enforces the deadlines. */
  tick(now: number): void;
  /** The server stops: closes the connection as soon as its requests allow. */
  drain(): void;
  /** Ends the connection at once; handlers of running exchanges are told. */
  destroy(): void;
}

export class ConnectionList<C extends ListedConnection> {
  /**
   * Each connection knows its index here. Not a Set: with short connections it would leave dead tables in
   * memory (docs/decisions/0007).
   */
  readonly #connections: C[] = [];
  #onEmpty: (() => void)[] = [];

  get size(): number {
    return this.#connections.length;
  }

  /** The connections; only valid until one is added or removed. */
  get all(): readonly C[] {
    return this.#connections;
  }

  add(connection: C): void {
    connection.index = this.#connections.length;
    this.#connections.push(connection);
  }

  /** Does nothing if the connection is not in the list. */
  remove(connection: C): void {
    const { index } = connection;
    if (index < 0) return;
    connection.index = -1;
    const last = this.#connections.pop();
    if (last !== undefined && last !== connection) {
      last.index = index;
      this.#connections[index] = last;
    }
    if (this.size > 0) return;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const resolve of waiting) resolve();
  }

  tick(now: number): void {
    for (const connection of this.#copy()) {
      try {
        connection.tick(now);
      } catch (error) {
        // A fault of ours in one connection ends it, and is told; the others have their deadlines all the same.
        connection.destroy();
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Resolves when no connection is left. */
  drain(): Promise<void> {
    for (const connection of this.#copy()) connection.drain();
    return new Promise((resolve) => {
      if (this.size === 0) resolve();
      else this.#onEmpty.push(resolve);
    });
  }

  destroyAll(): void {
    for (const connection of this.#copy()) connection.destroy();
  }

  /** Ends the `count` connections that have been idle longest. Returns how many were ended. */
  closeOldestIdle(count: number): number {
    const idle = this.#connections.filter((one) => one.idleSince !== Infinity);
    idle.sort((a, b) => a.idleSince - b.idleSince);
    const oldest = idle.slice(0, count);
    for (const connection of oldest) connection.destroy();
    return oldest.length;
  }

  /** A call to one connection may remove it from the list. */
  #copy(): C[] {
    return [...this.#connections];
  }
}
