// Bytes that come before they can be used, and the socket they come from: while one request is being
// answered the next ones wait here, bounded, and then in the kernel.

import type { Socket } from "node:net";

import { READ_AHEAD_BYTES } from "./limits.ts";

export class ReadAhead {
  readonly #socket: Socket;
  #bytes: Buffer | null = null;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#bytes === null;
  }

  /** Keeps bytes behind those that wait already. */
  keep(bytes: Buffer): void {
    this.#bytes = this.#bytes === null ? bytes : Buffer.concat([this.#bytes, bytes]);
    if (this.#bytes.length >= READ_AHEAD_BYTES) this.pause();
  }

  /** Gives what waits, and forgets it. */
  take(): Buffer | null {
    const bytes = this.#bytes;
    this.#bytes = null;
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
