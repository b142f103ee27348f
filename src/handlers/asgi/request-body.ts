// ASGI, seen from a request: bodies stream both ways with backpressure. A request's body waits with the client
// while the application does not read, and the application's `send` waits for a slow client.

import type { BodyReceiver } from "../../http/exchange.ts";
import { HAS_EXPECT } from "../../http/message.ts";
import { Pieces } from "../../net/pieces.ts";
import type { InterfaceRules, PythonRequest, RequestBody } from "../python/python-request.ts";

/** Bytes of one request that may be on their way to the application: they wait in the front or in the worker. */
const INPUT_WINDOW_BYTES = 262_144;
/** A body up to here may go into the page; more would not fit beside a usual head. */
const MAX_INLINE_BYTES = 2048;

/**
 * A small body that came with the head goes into the page. Any other streams while the request runs, when
 * the application asks for it, and at most a window ahead of what the application has read.
 */
class StreamedBody implements RequestBody, BodyReceiver {
  readonly isLive = true;
  readonly #request: PythonRequest;
  #isOpen = false;
  #isClosed = false;
  #hasEnded = false;
  #isEndSent = false;
  /** Bytes that came before the worker asked. */
  readonly #held = new Pieces();
  #send: ((piece: Buffer, isLast: boolean) => void) | null = null;
  /** Bytes sent and not read by the application. */
  #outstanding = 0;

  constructor(request: PythonRequest) {
    this.#request = request;
  }

  begin(): void {
    const { bodyLength, fields } = this.#request.exchange.head;
    const isSmall = bodyLength !== null && bodyLength <= MAX_INLINE_BYTES;
    // A client that awaits 100 Continue gets it when the application asks for the body.
    if (!isSmall || (fields & HAS_EXPECT) !== 0) {
      this.#request.submitStreamed();
      return;
    }
    this.#open();
    // Bytes that came with the head are here when this turn is over.
    queueMicrotask(() => this.#submit());
  }

  flow(send: (piece: Buffer, isLast: boolean) => void): void {
    if (this.#isClosed || this.#send !== null) return;
    this.#send = send;
    for (const piece of this.#held.takeAll()) this.#pass(piece);
    if (this.#hasEnded) this.onBodyEnd();
    else this.#open();
  }

  /** Without room in memory a request goes on with one small read at a time, so that none stops. */
  get readsLittle(): boolean {
    return !this.#request.context.budget.hasRoom;
  }

  grant(bytes: number): void {
    if (this.#isClosed) return;
    // A worker that grants more than it has got would lift the limit of what it has to hold.
    this.#giveBack(Math.min(bytes, this.#outstanding));
    if (this.#outstanding < this.#windowBytes) this.#request.exchange.resumeBody();
  }

  release(): void {
    this.#isClosed = true;
    this.#held.takeAll();
    this.#send = null;
    this.#giveBack(this.#outstanding);
    // The connection drops the rest of the body, and must not wait for us.
    if (this.#isOpen) this.#request.exchange.resumeBody();
  }

  onBody(chunk: Buffer): void {
    if (this.#isClosed) return;
    if (this.#send !== null) this.#pass(chunk);
    else this.#held.copy(chunk);
  }

  onBodyEnd(): void {
    this.#hasEnded = true;
    if (this.#send === null || this.#isEndSent) return;
    this.#isEndSent = true;
    this.#send(Buffer.alloc(0), true);
  }

  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#request.exchange.receive(this);
  }

  #submit(): void {
    // The client may have left in this turn.
    if (this.#isClosed || this.#request.exchange.isFinished) return;
    if (!this.#hasEnded) {
      this.#request.submitStreamed();
      return;
    }
    this.#isEndSent = true;
    this.#request.submit(this.#held.takeJoined());
  }

  #pass(piece: Buffer): void {
    this.#outstanding += piece.length;
    this.#request.context.budget.take(piece.length);
    this.#send?.(piece, false);
    if (this.#outstanding >= this.#windowBytes) this.#request.exchange.pauseBody();
  }

  get #windowBytes(): number {
    return this.readsLittle ? 1 : INPUT_WINDOW_BYTES;
  }

  #giveBack(bytes: number): void {
    this.#outstanding -= bytes;
    this.#request.context.budget.give(bytes);
  }
}

export const ASGI: InterfaceRules = {
  // As ASGI has it for Transfer-Encoding; the others stand in most examples of event streams.
  droppedFields: "any",
  hearsHalfClose: true,
  spoolsResponses: false,
  offersSocket: false,
  creditStepBytes: 65_536,
  openRequestBody: (request) => new StreamedBody(request),
};
