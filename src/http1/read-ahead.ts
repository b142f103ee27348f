// Bytes of one socket that arrive before they can be used. While a request waits for its response, bytes of the
// next requests wait here, up to a limit. At the limit the socket is paused, and bytes wait in the kernel.

import type { Socket } from "node:net";

import { KeptBytes } from "../net/kept-bytes.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { isWideReader } from "../net/wide-reader.ts";
import { READ_AHEAD_BYTES } from "./limits.ts";

export class ReadAhead {
  readonly #socket: Socket;
  #kept: KeptBytes | null = null;
  /** The bytes that `feed` passes: an unused rest that comes back by `keep` is not copied again. */
  #fed: KeptBytes | null = null;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#kept === null;
  }

  /** Memory of the waiting bytes. */
  get memoryBytes(): number {
    return this.#kept?.memoryBytes ?? 0;
  }

  /** Appends bytes, which are valid during the call only, to the waiting ones, whose memory `budget` counts. */
  keep(bytes: Buffer, budget: MemoryBudget): void {
    if (this.#kept === null && this.#fed?.holds(bytes) === true) {
      this.#kept = this.#fed;
      this.#kept.narrow(bytes);
    } else (this.#kept ??= new KeptBytes(budget)).append(bytes);
    if (this.#kept.length >= READ_AHEAD_BYTES) this.pause();
  }

  /** Passes the waiting bytes to `read`, which calls `keep` with unused ones; false: no bytes wait. */
  feed(read: (bytes: Buffer) => void): boolean {
    const kept = this.#kept;
    if (kept === null) return false;
    this.#kept = null;
    this.#fed = kept;
    read(kept.bytes);
    // Not if `take` was called, or if a rest came back.
    if (this.#fed === kept && !this.#isKept(kept)) kept.release();
    this.#fed = null;
    return true;
  }

  /** Returns the waiting bytes, which become the caller's; null: none wait. */
  take(): Buffer | null {
    const kept = this.#kept;
    const fed = this.#fed;
    this.#kept = null;
    this.#fed = null;
    // The reader of these bytes still runs: their memory is left to the collector.
    if (fed !== null && fed !== kept) fed.take();
    return kept?.take() ?? null;
  }

  /** Forgets the waiting bytes. */
  drop(): void {
    if (this.#fed === null) this.#kept?.release();
    else this.take();
    this.#kept = null;
  }

  /** Called when a large body begins and when it has ended: in between the socket reads larger pieces. */
  expectLargeBody(isLarge: boolean): void {
    if (isWideReader(this.#socket)) this.#socket.readWide(isLarge);
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** `feed` has set the field to null, and the reader may have changed it. */
  #isKept(kept: KeptBytes): boolean {
    return this.#kept === kept;
  }
}
