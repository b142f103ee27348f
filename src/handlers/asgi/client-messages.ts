// Messages of one client on their way to its worker, whole and in order (docs/worker-protocol.md,
// "WebSockets"). No more is sent than the worker may hold unread; the rest waits here, and then with the
// client. A message counts in the shared budget until the application has received it, wherever it waits.
// Messages that the client sent before it left are still delivered, unless the application stops reading.

import type { BudgetShare } from "../../net/budget-share.ts";
import { bufferPool } from "../../net/buffer-pool.ts";
import { FAIR_BYTES } from "../../websocket/limits.ts";
import { FrameFault } from "../../workers/frame.ts";
import type { WebSocketLink } from "../../workers/web-socket-link.ts";

/** Bytes on their way to the application that it has not received; not more than one frame holds. */
export const MESSAGE_WINDOW_BYTES = 262_144;
/**
 * What a message costs besides its bytes: about as much memory as either side needs for one that waits. So a window
 * holds at most 2,048 empty messages.
 */
export const MESSAGE_COST_BYTES = 128;
/** How long the end of a connection waits for an application that receives no earlier messages. */
const UNREAD_WAIT_MS = 10_000;

interface Message {
  readonly bytes: Buffer;
  readonly isText: boolean;
}

export class ClientMessages {
  readonly #link: WebSocketLink;
  readonly #share: BudgetShare;
  readonly #unreadWaitMs: number;
  #waiting: Message[] = [];
  /** Bytes of the first message in `#waiting` that are sent. */
  #offset = 0;
  /** Costs of all messages that the worker was sent, and that it may forget. */
  #sent = 0;
  #read = 0;
  /** Costs of messages up to the end of the last one that the application has received. */
  #received = 0;
  /** Ends of sent messages, as costs of all up to there; those from index `#first` on are not received. */
  #ends: number[] = [];
  #first = 0;
  /** Tells the worker how the connection ended, once all messages are sent; null: it is open, or told. */
  #sendClosed: (() => void) | null = null;
  #patience: NodeJS.Timeout | undefined;

  /** `share`: the connection's part of the memory of all messages. */
  constructor(link: WebSocketLink, share: BudgetShare, unreadWaitMs = UNREAD_WAIT_MS) {
    this.#link = link;
    this.#share = share;
    this.#unreadWaitMs = unreadWaitMs;
  }

  /** Whether the client has to wait. */
  get isFull(): boolean {
    return this.#waiting.length > 0 || this.#room <= 0;
  }

  /** A message has come. Its bytes belong to this class from here on. */
  push(bytes: Buffer, isText: boolean): void {
    this.#share.add(bytes.length + MESSAGE_COST_BYTES);
    this.#waiting.push({ bytes, isText });
    this.#pump();
  }

  /**
   * The worker has room for `bytes` more: the application has received as many, or waits for the rest of a message.
   * Throws FrameFault if fewer were sent.
   */
  grant(bytes: number): void {
    this.#read += bytes;
    if (this.#read > this.#sent) throw new FrameFault("credit for messages that were not sent");
    this.#receive(this.#read);
    this.#pump();
    if (this.#sendClosed !== null) this.#wait();
  }

  /** The connection has ended, as WebSocketLink has it: the worker hears of it behind all messages. */
  end(code: number, reason: string, mayAnswer: boolean): void {
    this.#sendClosed = () => this.#link.sendClosed(code, reason, mayAnswer);
    this.#pump();
    this.#wait();
  }

  /** The job has ended: nothing is sent any more, and nothing waits in the worker. */
  stop(): void {
    clearTimeout(this.#patience);
    this.#sendClosed = null;
    this.#forget();
    this.#receive(this.#sent);
  }

  /** Less when the budget is used up. A worker grants in steps of as much, so it cannot owe a whole window. */
  get #room(): number {
    const window = this.#share.hasRoom ? MESSAGE_WINDOW_BYTES : FAIR_BYTES;
    return window - (this.#sent - this.#read);
  }

  /** Gives back the memory of messages that end up to `cost`. */
  #receive(cost: number): void {
    const before = this.#received;
    let end = this.#ends[this.#first];
    for (; end !== undefined && end <= cost; end = this.#ends[this.#first]) {
      this.#received = end;
      this.#first += 1;
    }
    this.#share.add(before - this.#received);
    if (this.#first * 2 <= this.#ends.length) return;
    this.#ends = this.#ends.slice(this.#first);
    this.#first = 0;
  }

  #pump(): void {
    let [message] = this.#waiting;
    while (message !== undefined && this.#sendPiece(message)) [message] = this.#waiting;
    if (message !== undefined || this.#sendClosed === null) return;
    clearTimeout(this.#patience);
    this.#sendClosed();
    this.#sendClosed = null;
  }

  /** Sends as much of the first message as the worker has room for; false: it has none. */
  #sendPiece({ bytes, isText }: Message): boolean {
    const left = bytes.length - this.#offset;
    const room = this.#room;
    if (room <= 0) return false;
    const size = Math.min(left, room);
    const piece = bytes.subarray(this.#offset, this.#offset + size);
    const isEnd = size === left;
    this.#link.sendPiece(piece, isText, isEnd);
    this.#sent += size;
    this.#offset += size;
    if (!isEnd) return true;
    this.#sent += MESSAGE_COST_BYTES;
    this.#waiting.shift();
    this.#offset = 0;
    this.#ends.push(this.#sent);
    bufferPool.release(bytes);
    return true;
  }

  /** Drops the messages that wait if the application receives nothing for a while. */
  #wait(): void {
    clearTimeout(this.#patience);
    if (this.#sendClosed === null) return;
    this.#patience = setTimeout(() => {
      this.#forget();
      this.#pump();
    }, this.#unreadWaitMs).unref();
  }

  #forget(): void {
    const costs = this.#waiting.map(({ bytes }) => bytes.length + MESSAGE_COST_BYTES);
    this.#share.add(-costs.reduce((sum, cost) => sum + cost, 0));
    this.#waiting = [];
    this.#offset = 0;
  }
}
