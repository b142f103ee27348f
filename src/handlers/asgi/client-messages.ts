// Messages of one client on their way to its worker, whole and in order (docs/worker-protocol.md,
// "WebSockets"). No more is sent than the worker may hold unread; the rest waits here, and then with the
// client. Messages that the client sent before it left are still delivered, unless the application stops
// reading.

import { bufferPool } from "../../net/buffer-pool.ts";
import type { MemoryBudget } from "../../net/memory-budget.ts";
import { FrameFault } from "../../workers/frame.ts";
import type { WebSocketLink } from "../../workers/web-socket-link.ts";

/** Bytes on their way to the application that it has not read; not more than one frame holds. */
export const MESSAGE_WINDOW_BYTES = 262_144;
/**
 * Messages on their way to the application: each costs both sides more than its bytes. Workers grant what was
 * read in steps of 65,536 bytes, so that with fewer messages of one byte both sides would wait for ever.
 */
export const MAX_UNREAD_MESSAGES = 65_536;
/** How long the end of a connection waits for an application that reads no earlier messages. */
const UNREAD_WAIT_MS = 10_000;

interface Message {
  readonly bytes: Buffer;
  readonly isText: boolean;
}

export class ClientMessages {
  readonly #link: WebSocketLink;
  readonly #budget: MemoryBudget;
  readonly #unreadWaitMs: number;
  #waiting: Message[] = [];
  /** Bytes of the first message in `#waiting` that are sent. */
  #offset = 0;
  /** Bytes of all messages that the worker was sent, and that the application has read. */
  #sent = 0;
  #read = 0;
  /** Ends of sent messages among the bytes sent; those from index `#first` on are not read. */
  #ends: number[] = [];
  #first = 0;
  /** Tells the worker how the connection ended, once all messages are sent; null: it is open, or told. */
  #sendClosed: (() => void) | null = null;
  #patience: NodeJS.Timeout | undefined;

  /** `budget`: for messages that wait. */
  constructor(link: WebSocketLink, budget: MemoryBudget, unreadWaitMs = UNREAD_WAIT_MS) {
    this.#link = link;
    this.#budget = budget;
    this.#unreadWaitMs = unreadWaitMs;
  }

  /** Whether the client has to wait. */
  get isFull(): boolean {
    return this.#waiting.length > 0 || this.#room === 0 || this.#unread >= MAX_UNREAD_MESSAGES;
  }

  /** A message has come. Its bytes belong to this class from here on. */
  push(bytes: Buffer, isText: boolean): void {
    this.#budget.take(bytes.length);
    this.#waiting.push({ bytes, isText });
    this.#pump();
  }

  /** The application has read `bytes` more. Throws FrameFault if fewer were sent. */
  grant(bytes: number): void {
    this.#read += bytes;
    if (this.#read > this.#sent) throw new FrameFault("credit for messages that were not sent");
    while ((this.#ends[this.#first] ?? Infinity) <= this.#read) this.#first += 1;
    if (this.#first * 2 > this.#ends.length) {
      this.#ends = this.#ends.slice(this.#first);
      this.#first = 0;
    }
    this.#pump();
    if (this.#sendClosed !== null) this.#wait();
  }

  /** The connection has ended, as WebSocketLink has it: the worker hears of it behind all messages. */
  end(code: number, reason: string, mayAnswer: boolean): void {
    this.#sendClosed = () => this.#link.sendClosed(code, reason, mayAnswer);
    this.#pump();
    this.#wait();
  }

  /** The job has ended: nothing is sent any more. */
  stop(): void {
    clearTimeout(this.#patience);
    this.#sendClosed = null;
    this.#forget();
  }

  get #room(): number {
    return MESSAGE_WINDOW_BYTES - (this.#sent - this.#read);
  }

  get #unread(): number {
    return this.#ends.length - this.#first;
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
    if (this.#unread >= MAX_UNREAD_MESSAGES || this.#room === 0) return false;
    const size = Math.min(left, this.#room);
    const piece = bytes.subarray(this.#offset, this.#offset + size);
    const isEnd = size === left;
    this.#link.sendPiece(piece, isText, isEnd);
    // An empty message counts as one byte, so that the worker can grant it.
    this.#sent += bytes.length === 0 ? 1 : size;
    this.#offset += size;
    this.#budget.give(size);
    if (!isEnd) return true;
    this.#waiting.shift();
    this.#offset = 0;
    this.#ends.push(this.#sent);
    bufferPool.release(bytes);
    return true;
  }

  /** Drops the messages that wait if the application reads nothing for a while. */
  #wait(): void {
    clearTimeout(this.#patience);
    if (this.#sendClosed === null) return;
    this.#patience = setTimeout(() => {
      this.#forget();
      this.#pump();
    }, this.#unreadWaitMs).unref();
  }

  #forget(): void {
    const bytes = this.#waiting.reduce((sum, message) => sum + message.bytes.length, 0);
    this.#budget.give(bytes - this.#offset);
    this.#waiting = [];
    this.#offset = 0;
  }
}
