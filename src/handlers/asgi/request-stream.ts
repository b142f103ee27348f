// The body of one request on its way to a worker that reads it piece by piece: bounded by what the
// application has read, so that a large upload waits with the client.

import type { BodyReceiver, Exchange } from "../../http/exchange.ts";

/** Bytes that may be on their way to the application; the worker holds as many. */
const INPUT_WINDOW_BYTES = 262_144;

type Send = (piece: Buffer, isLast: boolean) => void;

export class RequestStream implements BodyReceiver {
  readonly #exchange: Exchange;
  #isOpen = false;
  #isClosed = false;
  #hasEnded = false;
  #isEndSent = false;
  /** What came before the worker asked. */
  #held: Buffer[] = [];
  #send: Send | null = null;
  /** Bytes sent and not read by the application. */
  #outstanding = 0;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** Begins to take the body from the client. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#exchange.receive(this);
  }

  /** The body, if all of it is there; null else. */
  takeWhole(): Buffer | null {
    if (!this.#hasEnded) return null;
    this.#isEndSent = true;
    return Buffer.concat(this.#held);
  }

  /** The application wants it: from here on pieces go to `send`. */
  flow(send: Send): void {
    if (this.#isClosed || this.#send !== null) return;
    this.#send = send;
    const held = this.#held;
    this.#held = [];
    for (const piece of held) this.#pass(piece, false);
    if (this.#hasEnded) this.onBodyEnd();
    else this.open();
  }

  /** The application has read so many bytes. */
  grant(bytes: number): void {
    this.#outstanding -= bytes;
    if (!this.#isClosed && this.#outstanding < INPUT_WINDOW_BYTES) this.#exchange.resumeBody();
  }

  /** Nobody wants any more of it. */
  close(): void {
    this.#isClosed = true;
    this.#held = [];
    this.#send = null;
    // What still comes is dropped by the connection, which must not wait for us.
    if (this.#isOpen) this.#exchange.resumeBody();
  }

  onBody(chunk: Buffer): void {
    if (this.#isClosed) return;
    if (this.#send !== null) this.#pass(chunk, false);
    else this.#held.push(Buffer.from(chunk));
  }

  onBodyEnd(): void {
    this.#hasEnded = true;
    if (this.#send === null || this.#isEndSent) return;
    this.#isEndSent = true;
    this.#send(Buffer.alloc(0), true);
  }

  #pass(piece: Buffer, isLast: boolean): void {
    this.#outstanding += piece.length;
    this.#send?.(piece, isLast);
    if (this.#outstanding >= INPUT_WINDOW_BYTES) this.#exchange.pauseBody();
  }
}
