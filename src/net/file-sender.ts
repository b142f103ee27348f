// Sends parts of an open file, and texts between them, with constant memory: while the client takes one piece,
// the next one is read. Knows no HTTP: the sink is an exchange whose head was sent, with the length of all parts.
// A file that has become shorter ends the response so that the client notices; one that grows is sent up to its
// length at the start.
//
//   file ──read──▶ piece ──write──▶ sink     at most two pieces in memory: one that is read or waits,
//    ▲                                │      and one that the sink has not sent
//    └───────────── onDrain ◀─────────┘

import type { OpenFile } from "./file-tree.ts";
import { MemoryBudget } from "./memory-budget.ts";

/** Bytes of a read: a file of 100 MB costs 16 % more with half of it, and nothing less with twice as much. */
const PIECE_BYTES = 524_288;
/** Bytes of a read while many files are sent to slow clients. */
const SMALL_PIECE_BYTES = 65_536;
/** Pieces of all responses together; beyond, each response has one small piece. */
const PIECE_MEMORY_BYTES = 67_108_864;

const budget = new MemoryBudget(PIECE_MEMORY_BYTES);

/** Bytes from `start` up to, not including, `end`; or a text, latin-1. */
export type FilePart = { readonly start: number; readonly end: number } | string;

/** Where the bytes go: an exchange. */
export interface FileSink {
  readonly isFinished: boolean;
  /** Takes the memory of the chunk over. False: wait for `onDrain`. */
  write(chunk: Buffer): boolean;
  end(): void;
  abort(): void;
}

/** The listener of an exchange while a file is sent; owns the file, and closes the file at the end. */
export class FileSender {
  readonly #file: OpenFile;
  readonly #sink: FileSink;
  readonly #parts: readonly FilePart[];
  #part = 0;
  /** Bytes of the part that have been read. */
  #read = 0;
  #isReading = false;
  #isSinkFull = false;
  #isOver = false;
  /** Pieces that were read and wait for the sink. */
  #next: Buffer | null = null;
  /** Bytes that the budget counts: of the piece that is read or waits, and of those in the sink. */
  #counted = 0;
  #inSink = 0;

  constructor(file: OpenFile, sink: FileSink, parts: readonly FilePart[]) {
    this.#file = file;
    this.#sink = sink;
    this.#parts = parts;
  }

  start(): void {
    this.#go();
  }

  onDrain(): void {
    this.#isSinkFull = false;
    this.#forget(this.#inSink);
    this.#inSink = 0;
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.#write(next);
    this.#go();
  }

  onGone(how: "reset" | "end"): void {
    if (how === "reset") this.#finish();
  }

  /** Reads the next piece, if there is room for one. */
  #go(): void {
    while (!this.#isOver && !this.#isReading && this.#next === null) {
      const part = this.#parts[this.#part];
      if (this.#sink.isFinished) this.#finish();
      else if (part === undefined) {
        this.#sink.end();
        this.#finish();
      } else if (typeof part === "string") {
        this.#part += 1;
        this.#give(Buffer.from(part, "latin1"));
      } else if (this.#read >= part.end - part.start) {
        this.#part += 1;
        this.#read = 0;
      } else {
        // Without room there is no reading ahead.
        if (this.#isSinkFull && !budget.hasRoom) return;
        const size = budget.hasRoom ? PIECE_BYTES : SMALL_PIECE_BYTES;
        void this.#readPiece(
          part.start + this.#read,
          Math.min(size, part.end - part.start - this.#read),
        );
      }
    }
  }

  async #readPiece(position: number, bytes: number): Promise<void> {
    this.#isReading = true;
    const piece = Buffer.allocUnsafeSlow(bytes);
    this.#counted += bytes;
    budget.take(bytes);
    let end = 0;
    try {
      while (end < bytes) {
        const count = await this.#file.read(piece, end, position + end);
        if (count === 0) break;
        end += count;
      }
    } catch {
      // A disk that fails is for the client as a file that ends.
    }
    this.#isReading = false;
    if (this.#isOver) this.#close();
    else if (end < bytes) {
      this.#sink.abort();
      this.#finish();
    } else {
      this.#read += bytes;
      this.#give(piece);
      this.#go();
    }
  }

  #give(piece: Buffer): void {
    if (this.#isSinkFull) this.#next = piece;
    else this.#write(piece);
  }

  #write(piece: Buffer): void {
    this.#inSink += piece.length;
    this.#isSinkFull = !this.#sink.write(piece);
    if (this.#isSinkFull) return;
    this.#forget(this.#inSink);
    this.#inSink = 0;
  }

  #forget(bytes: number): void {
    const counted = Math.min(bytes, this.#counted);
    this.#counted -= counted;
    budget.give(counted);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#next = null;
    this.#forget(this.#counted);
    // A descriptor that is closed while it is read may be another file by then.
    if (!this.#isReading) this.#close();
  }

  #close(): void {
    this.#file.close();
  }
}
