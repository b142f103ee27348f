// The body of one response on its way through an encoder, in pieces, with backpressure both ways. Bytes that come
// while a piece is coded wait and are coded together. After each piece the sink has all bytes of it: nothing waits
// in the encoder for more, so a response that pauses is complete up to the pause.
//
//   write ─▶ pending ─ end of turn ─▶ zlib, in another thread ─▶ sink.send
//     ▲          └ full: false              ▲ not while the sink is full
//     └──────────── sink.onRoom ◀── drain ──┘

import { detachBuffer } from "./buffer-pool.ts";
import { streamEncoder, type Coding } from "./encoders.ts";
import { ZlibStream } from "./zlib-stream.ts";

/** Bytes that pass through zlib at a time: about 1 ms of a thread. */
export const PIECE_BYTES = 65_536;
/** Bytes that wait here before the writer has to wait. */
export const PENDING_BYTES = 131_072;
/** Encoders at a time; each has up to 460 KiB of zlib's memory, and at most two pieces and one chunk of the writer. */
export const MAX_ENCODERS = 256;

const EMPTY = Buffer.alloc(0);

let open = 0;

/** Where coded bytes go. */
export interface EncodedSink {
  /** Takes coded bytes. False: no more room, until `drain` is called. */
  send(bytes: Buffer): boolean;
  /** The writer may write again. */
  onRoom(): void;
  /** The encoder has failed: the body cannot be completed. */
  onError(): void;
}

export class BodyEncoder {
  readonly #sink: EncodedSink;
  readonly #zlib: ZlibStream;
  #state: "open" | "ending" | "over" = "open";
  #onEnd: () => void = () => undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes of the first chunk that have been taken. */
  #start = 0;
  /** The chunk that ends with the piece that is coded; its memory is freed then. */
  #spent: Buffer | null = null;
  /** Whether a piece passes through zlib, or will from the end of the turn on. */
  #isBusy = false;
  #isSinkFull = false;
  /** Whether the writer waits for `onRoom`. */
  #isAwaited = false;

  constructor(coding: Coding, sink: EncodedSink) {
    this.#sink = sink;
    this.#zlib = new ZlibStream(streamEncoder(coding));
    open += 1;
  }

  /** Whether one more encoder may be made. */
  static get hasRoom(): boolean {
    return open < MAX_ENCODERS;
  }

  /** Takes a chunk and its memory over. False: wait for `onRoom`. */
  write(chunk: Buffer): boolean {
    if (this.#state !== "open") return true;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    this.#plan();
    this.#isAwaited = this.#isFull;
    return !this.#isAwaited;
  }

  /** Nothing more will be written. `onEnd`: all bytes were coded and sent. */
  end(onEnd: () => void): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#onEnd = onEnd;
    this.#plan();
  }

  /** The sink has room again. */
  drain(): void {
    if (!this.#isSinkFull) return;
    this.#isSinkFull = false;
    this.#plan();
    this.#tellRoom();
  }

  /** Frees zlib's memory and drops what was not sent. */
  destroy(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    open -= 1;
    this.#pending = [];
    this.#zlib.destroy();
  }

  get #isFull(): boolean {
    return this.#isSinkFull || this.#pendingBytes >= PENDING_BYTES;
  }

  /** Codes what waits at the end of the turn, because more chunks may come in it. */
  #plan(): void {
    const hasWork = this.#pending.length > 0 || this.#state === "ending";
    if (this.#isBusy || this.#isSinkFull || !hasWork) return;
    this.#isBusy = true;
    queueMicrotask(() => this.#pass());
  }

  #pass(): void {
    if (this.#state === "over") return;
    const piece = this.#takePiece();
    const isLast = this.#state === "ending" && this.#pending.length === 0;
    const onOutput = (bytes: Buffer): void => {
      if (this.#state !== "over" && !this.#sink.send(bytes)) this.#isSinkFull = true;
    };
    const onDone = (error: Error | null): void => this.#onPassed(isLast, error);
    if (isLast) this.#zlib.passLast(piece, onOutput, onDone);
    else this.#zlib.pass(piece, onOutput, onDone);
    this.#tellRoom();
  }

  #onPassed(isLast: boolean, error: Error | null): void {
    this.#isBusy = false;
    if (this.#state === "over") return;
    // After an error another thread may still read the bytes.
    if (error === null && this.#spent !== null) detachBuffer(this.#spent);
    this.#spent = null;
    if (error === null && !isLast) {
      this.#plan();
      return;
    }
    this.destroy();
    if (error === null) this.#onEnd();
    else this.#sink.onError();
  }

  /** The bytes for the next pass: chunks that wait, joined, or a part of a long one. */
  #takePiece(): Buffer {
    const [first = EMPTY, second] = this.#pending;
    const rest = first.length - this.#start;
    if (rest > PIECE_BYTES || second === undefined) {
      const piece = first.subarray(this.#start, this.#start + PIECE_BYTES);
      this.#start += piece.length;
      this.#pendingBytes -= piece.length;
      if (this.#start === first.length) this.#spent = this.#shift(1)[0] ?? null;
      return piece;
    }
    let count = 0;
    let bytes = -this.#start;
    for (const chunk of this.#pending) {
      if (bytes + chunk.length > PIECE_BYTES) break;
      bytes += chunk.length;
      count += 1;
    }
    this.#pendingBytes -= bytes;
    const start = this.#start;
    const chunks = this.#shift(count);
    const piece = Buffer.concat([first.subarray(start), ...chunks.slice(1)], bytes);
    for (const chunk of chunks) detachBuffer(chunk);
    return piece;
  }

  #shift(count: number): Buffer[] {
    this.#start = 0;
    return this.#pending.splice(0, count);
  }

  #tellRoom(): void {
    if (!this.#isAwaited || this.#isFull || this.#state !== "open") return;
    this.#isAwaited = false;
    this.#sink.onRoom();
  }
}
