// The body of one request, as DATA brings it: its length against Content-Length (RFC 9113 §8.1.1), the window of its
// stream, the bytes that come before the handler takes them, and whether they come soon enough. No I/O.

import type { BodyReceiver } from "../http/exchange.ts";
import { BodyPace } from "../net/body-pace.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { Pieces } from "../net/pieces.ts";
import { STREAM_WINDOW_BYTES } from "./limits.ts";
import { ReceiveWindow } from "./receive-window.ts";

export class RequestBody {
  readonly window = new ReceiveWindow(STREAM_WINDOW_BYTES);
  /** Null until the handler asks for the body. */
  receiver: BodyReceiver | null = null;
  /** Whether the receiver has stopped the flow. */
  isPaused = false;
  /** Whether all bytes have come. */
  isWhole = false;
  readonly #stated: number | null;
  #received = 0;
  readonly #budget: MemoryBudget;
  /** Bytes that nobody has taken yet. */
  #waiting: Pieces | null = null;
  /** Null until the handler asks for the body. */
  #pace: BodyPace | null = null;

  /** `stated`: Content-Length, null = none. `budget` counts bytes that wait. */
  constructor(stated: number | null, budget: MemoryBudget) {
    this.#stated = stated;
    this.#budget = budget;
  }

  /** Bytes that have come. */
  get received(): number {
    return this.#received;
  }

  /** Bytes that wait for the receiver. */
  get memoryBytes(): number {
    return this.#waiting?.bytes ?? 0;
  }

  /** Whether the receiver takes bytes as they come. */
  get isFlowing(): boolean {
    return this.receiver !== null && !this.isPaused && this.#waiting === null;
  }

  /** Bytes of a larger body than its window come, so that a larger window is of use. */
  get isLarge(): boolean {
    return this.#stated === null || this.#stated > STREAM_WINDOW_BYTES;
  }

  /**
   * Counts the bytes that a DATA frame announces; false: they are more than Content-Length says, or at the end
   * fewer.
   */
  announce(bytes: number, isLast: boolean): boolean {
    this.#received += bytes;
    if (this.#stated === null) return true;
    return this.#received <= this.#stated && (!isLast || this.#received === this.#stated);
  }

  /** Bytes have come; counted for the pace. */
  count(bytes: number): void {
    this.#pace?.count(bytes);
  }

  /** Keeps a copy of bytes until the receiver takes them. */
  keep(bytes: Buffer): void {
    this.#waiting ??= new Pieces();
    this.#waiting.copy(bytes);
    this.#budget.take(bytes.length);
  }

  /** Removes and returns bytes that wait; null: none. */
  shift(): Buffer | null {
    const bytes = this.#waiting?.shift() ?? null;
    if (bytes !== null) this.#budget.give(bytes.length);
    if (this.#waiting?.bytes === 0) this.#waiting = null;
    return bytes;
  }

  /** Removes and returns all bytes that wait. */
  takeWaiting(): Buffer {
    const bytes = this.#waiting?.takeJoined() ?? Buffer.alloc(0);
    this.#budget.give(bytes.length);
    this.#waiting = null;
    return bytes;
  }

  /** The handler asks for the body. `silenceMs`: how long no byte may come, 0 = without limit. */
  begin(receiver: BodyReceiver, silenceMs: number, now: number): void {
    this.receiver = receiver;
    this.#pace = new BodyPace(silenceMs, now);
  }

  /** The receiver restarts the flow. The time of a pause is not counted as slow. */
  resume(now: number): void {
    if (this.isPaused) this.#pace?.resume(now);
    this.isPaused = false;
  }

  /** Whether the body comes too slowly; called at each tick. */
  isTooSlow(now: number): boolean {
    if (this.receiver === null || this.#pace === null || this.isPaused || this.isWhole)
      return false;
    return this.#pace.isTooSlow(now, this.receiver.isLive === true);
  }
}
