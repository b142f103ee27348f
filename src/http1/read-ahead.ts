// Bytes of one socket that arrive before they can be used. While a request waits for its response, bytes of the
// next requests wait here, up to a limit. At the limit the socket is paused, and bytes wait in the kernel.

import type { Socket } from "node:net";

import { detachBuffer } from "../net/buffer-pool.ts";
import { isWideReader } from "../net/wide-reader.ts";
import { READ_AHEAD_BYTES } from "./limits.ts";

export class ReadAhead {
  readonly #socket: Socket;
  #bytes: Buffer | null = null;
  /** Memory of the bytes that `feed` passes: an unused rest that comes back by `keep` is not copied again. */
  #memory: ArrayBufferLike | null = null;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#bytes === null;
  }

  /** Appends bytes, which are valid during the call only, to the waiting ones. */
  keep(bytes: Buffer): void {
    if (this.#bytes !== null) this.#bytes = Buffer.concat([this.#bytes, bytes]);
    else this.#bytes = bytes.buffer === this.#memory ? bytes : Buffer.from(bytes);
    if (this.#bytes.length >= READ_AHEAD_BYTES) this.pause();
  }

  /** Passes the waiting bytes to `read`, which calls `keep` with unused ones; false: no bytes wait. */
  feed(read: (bytes: Buffer) => void): boolean {
    const bytes = this.take();
    if (bytes === null) return false;
    const { buffer } = bytes;
    this.#memory = buffer;
    read(bytes);
    // Not if `take` was called, which clears #memory and gives the bytes away, or if a rest came back.
    if (this.#memory === buffer && this.#bytes?.buffer !== buffer) detachBuffer(bytes);
    this.#memory = null;
    return true;
  }

  /** Returns the waiting bytes, which become the caller's; null: none wait. */
  take(): Buffer | null {
    const bytes = this.#bytes;
    this.#bytes = null;
    this.#memory = null;
    return bytes;
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
}
