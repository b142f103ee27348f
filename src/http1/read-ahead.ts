// Bytes of one socket that come before they can be used: while one request is being responded to, the bytes
// of the next requests wait here, bounded, and beyond that in the kernel, by pausing the socket.

import type { Socket } from "node:net";

import { detachBuffer } from "../net/buffer-pool.ts";
import { isWideReader } from "../net/wide-reader.ts";
import { READ_AHEAD_BYTES } from "./limits.ts";

export class ReadAhead {
  readonly #socket: Socket;
  #bytes: Buffer | null = null;
  /** Memory of the bytes that `feed` gives: an unused rest that comes back by `keep` is not copied again. */
  #memory: ArrayBufferLike | null = null;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#bytes === null;
  }

  /** Keeps bytes, which are valid during the call only, behind the waiting ones. */
  keep(bytes: Buffer): void {
    if (this.#bytes !== null) this.#bytes = Buffer.concat([this.#bytes, bytes]);
    else this.#bytes = bytes.buffer === this.#memory ? bytes : Buffer.from(bytes);
    if (this.#bytes.length >= READ_AHEAD_BYTES) this.pause();
  }

  /** Gives the waiting bytes to `read`, which keeps the unused ones; false: no bytes wait. */
  feed(read: (bytes: Buffer) => void): boolean {
    const bytes = this.take();
    if (bytes === null) return false;
    const { buffer } = bytes;
    this.#memory = buffer;
    read(bytes);
    // `take` clears #memory: then the bytes belong to its caller. A rest that came back is still needed.
    if (this.#memory === buffer && this.#bytes?.buffer !== buffer) detachBuffer(bytes);
    this.#memory = null;
    return true;
  }

  /** Returns the waiting bytes, which are the caller's from then on; null: none wait. */
  take(): Buffer | null {
    const bytes = this.#bytes;
    this.#bytes = null;
    this.#memory = null;
    return bytes;
  }

  /** A large body begins to be received, or has ended: the socket reads in larger pieces meanwhile. */
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
