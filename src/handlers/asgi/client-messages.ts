// Messages of one client on their way to its worker, whole and in order, in frames (docs/worker-protocol.md).
// No more is sent than the worker may hold unread; the rest waits here, and then with the client. What the
// client sent before it left is still delivered, unless nobody reads it.

import { bufferPool } from "../../net/buffer-pool.ts";
import type { MemoryBudget } from "../../net/memory-budget.ts";
import { encodeFrame, FrameFault, FrameType, INPUT_FRAME_BYTES } from "../../workers/frame.ts";

/** Bytes on their way to the application that it has not read. */
export const MESSAGE_WINDOW_BYTES = 262_144;
/**
 * Messages on their way to the application: each costs both sides more than its bytes. Workers say what was
 * read in steps of 65,536 bytes, so that with fewer messages of one byte both would wait for the other.
 */
export const MAX_UNREAD_MESSAGES = 65_536;
/** How long the end of a connection waits for an application that reads nothing of what came before. */
const UNREAD_WAIT_MS = 10_000;

interface Message {
  readonly bytes: Buffer;
  readonly isText: boolean;
}

export interface ClientMessagesOptions {
  /** The job's number. */
  readonly id: number;
  /** Sends a whole frame. */
  readonly send: (frame: Buffer) => void;
  /** For messages that wait. */
  readonly budget: MemoryBudget;
  readonly unreadWaitMs?: number;
}

export class ClientMessages {
  readonly #options: ClientMessagesOptions;
  #waiting: Message[] = [];
  /** Bytes of the first of them that are sent. */
  #offset = 0;
  /** All bytes sent and read so far. */
  #sent = 0;
  #read = 0;
  /** Where among the bytes sent each message ends that was not read; those before `#first` were. */
  #ends: number[] = [];
  #first = 0;
  /** What is to be said when all is sent. */
  #last: Buffer | null = null;
  #patience: NodeJS.Timeout | undefined;

  constructor(options: ClientMessagesOptions) {
    this.#options = options;
  }

  /** Whether the client is to wait. */
  get isFull(): boolean {
    return this.#waiting.length > 0 || this.#room === 0 || this.#unread >= MAX_UNREAD_MESSAGES;
  }

  /** A message has come; its bytes are ours. */
  push(bytes: Buffer, isText: boolean): void {
    this.#options.budget.take(bytes.length);
    this.#waiting.push({ bytes, isText });
    this.#pump();
  }

  /** The application has read so many bytes. Throws FrameFault if there were not so many. */
  grant(bytes: number): void {
    this.#read += bytes;
    if (this.#read > this.#sent) throw new FrameFault("credit for messages that were not sent");
    while ((this.#ends[this.#first] ?? Infinity) <= this.#read) this.#first += 1;
    if (this.#first * 2 > this.#ends.length) {
      this.#ends = this.#ends.slice(this.#first);
      this.#first = 0;
    }
    this.#pump();
    if (this.#last !== null) this.#wait();
  }

  /** Nothing more will come; `frame` tells the worker, behind all messages. */
  end(frame: Buffer): void {
    this.#last = frame;
    this.#pump();
    this.#wait();
  }

  /** The job has ended: nothing is to be sent any more. */
  stop(): void {
    clearTimeout(this.#patience);
    this.#last = null;
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
    if (message !== undefined || this.#last === null) return;
    clearTimeout(this.#patience);
    this.#options.send(this.#last);
    this.#last = null;
  }

  /** Sends as much of the first message as there is room for; false: nothing. */
  #sendPiece({ bytes, isText }: Message): boolean {
    const left = bytes.length - this.#offset;
    if (this.#unread >= MAX_UNREAD_MESSAGES || this.#room === 0) return false;
    const size = Math.min(left, this.#room, INPUT_FRAME_BYTES);
    const piece = bytes.subarray(this.#offset, this.#offset + size);
    const isEnd = size === left;
    const type = isText ? FrameType.WS_TEXT_IN : FrameType.WS_BINARY_IN;
    this.#options.send(encodeFrame(type, this.#options.id, piece, { isEnd }));
    // An empty message counts as one byte, so that it can be told that it was read.
    this.#sent += bytes.length === 0 ? 1 : size;
    this.#offset += size;
    this.#options.budget.give(size);
    if (!isEnd) return true;
    this.#waiting.shift();
    this.#offset = 0;
    this.#ends.push(this.#sent);
    bufferPool.release(bytes);
    return true;
  }

  /** Waits for the application to read, but not for ever. */
  #wait(): void {
    clearTimeout(this.#patience);
    if (this.#last === null) return;
    const wait = this.#options.unreadWaitMs ?? UNREAD_WAIT_MS;
    this.#patience = setTimeout(() => {
      this.#forget();
      this.#pump();
    }, wait).unref();
  }

  #forget(): void {
    const bytes = this.#waiting.reduce((sum, message) => sum + message.bytes.length, 0);
    this.#options.budget.give(bytes - this.#offset);
    this.#waiting = [];
    this.#offset = 0;
  }
}
