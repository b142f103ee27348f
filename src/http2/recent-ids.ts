// The ids of streams that we have reset: frames that the client sent before it heard of it are no fault. Bounded:
// the oldest are forgotten. Pure.

import { REMEMBERED_RESETS } from "./limits.ts";

export class RecentIds {
  /** A ring; null before the first id: most connections have none. */
  #ids: Uint32Array | null = null;
  #next = 0;

  add(id: number): void {
    this.#ids ??= new Uint32Array(REMEMBERED_RESETS);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % REMEMBERED_RESETS;
  }

  has(id: number): boolean {
    return this.#ids !== null && this.#ids.includes(id);
  }
}
