// Bytes that come before they can be used, and the socket they come from: while one request is being
// answered the next ones wait here, bounded, and then in the kernel.

import type { Socket } from "node:net";

import { READ_AHEAD_BYTES } from "./limits.ts";

export class ReadAhead {
  readonly #socket: Socket;
  #bytes: Buffer | null = null;
  /** Memory of what was taken last: the rest of it, when it comes back, needs no second copy. */
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

  /** Gives what waits, and forgets it. */
  take(): Buffer | null {
    const bytes = this.#bytes;
    this.#bytes = null;
    this.#memory = bytes?.buffer ?? null;
    return bytes;
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
