// Bytes that come before they can be used, and the socket they come from: while one request is being
// answered the next ones wait here, bounded, and then in the kernel.

import type { Socket } from "node:net";

import { detachBuffer } from "../net/buffer-pool.ts";
import { isWideReader } from "../net/wide-reader.ts";
import { READ_AHEAD_BYTES } from "./limits.ts";

export class ReadAhead {
  readonly #socket: Socket;
  #bytes: Buffer | null = null;
  /** Memory of what is being read: the rest of it, when it comes back, needs no second copy. */
  #memory: ArrayBufferLike | null = null;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#bytes === null;
  }

  /** Keeps bytes that are valid during the call, behind those that wait already. */
  keep(bytes: Buffer): void {
    if (this.#bytes !== null) this.#bytes = Buffer.concat([this.#bytes, bytes]);
    else this.#bytes = bytes.buffer === this.#memory ? bytes : Buffer.from(bytes);
    if (this.#bytes.length >= READ_AHEAD_BYTES) this.pause();
  }

  /** Gives what waits to `read`, which keeps what it does not use; false: nothing waits. */
  pass(read: (bytes: Buffer) => void): boolean {
    const bytes = this.take();
    if (bytes === null) return false;
    const { buffer } = bytes;
    this.#memory = buffer;
    read(bytes);
    // Unless the rest has come back, or has been taken by somebody else.
    if (this.#memory === buffer && this.#bytes?.buffer !== buffer) detachBuffer(bytes);
    this.#memory = null;
    return true;
  }

  /** Gives what waits, and forgets it. */
  take(): Buffer | null {
    const bytes = this.#bytes;
    this.#bytes = null;
    this.#memory = null;
    return bytes;
  }

  /** Whether much is about to come, and somebody there who takes it. */
  expectMuch(isMuch: boolean): void {
    if (isWideReader(this.#socket)) this.#socket.readWide(isMuch);
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
