// A socket that another protocol has taken over (RFC 9110 §7.8), the bytes that were read beyond the request,
// and the number of bytes since. The connection still listens to the socket's end, so that the exchange
// finishes; everything else belongs to the new owner.

import type { Socket } from "node:net";

import type { UpgradedStream } from "../http/exchange.ts";

const NOTHING = Buffer.alloc(0);

export class UpgradedSocket implements UpgradedStream {
  readonly stream: Socket;
  #ahead: Buffer;
  readonly #readBefore: number;
  readonly #writtenBefore: number;

  /** `ahead`: bytes that the connection had read and not used, if any. */
  constructor(socket: Socket, ahead: Buffer | null) {
    this.stream = socket;
    this.#ahead = ahead ?? NOTHING;
    this.#readBefore = socket.bytesRead - this.#ahead.length;
    this.#writtenBefore = socket.bytesWritten;
  }

  // The new owner keeps this object as long as the connection lives, and must not keep the bytes with it.
  takeAhead(): Buffer {
    const ahead = this.#ahead;
    this.#ahead = NOTHING;
    return ahead;
  }

  get bytesReceived(): number {
    return this.stream.bytesRead - this.#readBefore;
  }

  get bytesSent(): number {
    const { bytesWritten, writableLength } = this.stream;
    return Math.max(0, bytesWritten - writableLength - this.#writtenBefore);
  }
}
