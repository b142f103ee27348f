// Bytes of one stream that wait until its windows, and the socket, have room. They are copied into frames; the
// memory of a large piece is freed as soon as the whole of it was copied.

import { detachBuffer } from "../net/buffer-pool.ts";
import { Pieces } from "../net/pieces.ts";
import type { HpackOutput } from "./hpack-output.ts";

/** Pieces of so many bytes are freed at once; smaller ones are left to the collector. */
const FREED_BYTES = 32_768;

export class SendQueue {
  readonly #pieces = new Pieces();
  /** The piece that is being sent, and the index of its next byte. */
  #piece: Buffer | null = null;
  #at = 0;
  readonly #isOwner: boolean;

  /** `isOwner`: the memory of pieces may be freed. */
  constructor(isOwner: boolean) {
    this.#isOwner = isOwner;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#pieces.bytes + (this.#piece === null ? 0 : this.#piece.length - this.#at);
  }

  /** Memory of the bytes that wait: a piece keeps all of its memory until its end. */
  get memoryBytes(): number {
    return this.#pieces.bytes + (this.#piece?.length ?? 0);
  }

  /** Appends bytes, whose memory must not change until they were moved. */
  push(bytes: Buffer): void {
    this.#pieces.push(bytes);
  }

  /** Appends a copy of bytes. */
  copy(bytes: Buffer): void {
    this.#pieces.copy(bytes);
  }

  /** Moves `count` bytes, which wait, into an output that has room for them. */
  move(count: number, output: HpackOutput): void {
    let left = count;
    while (left > 0) {
      this.#piece ??= this.#pieces.shift() ?? null;
      const piece = this.#piece;
      if (piece === null) return;
      const end = Math.min(piece.length, this.#at + left);
      piece.copy(output.bytes, output.length, this.#at, end);
      output.length += end - this.#at;
      left -= end - this.#at;
      this.#at = end;
      if (end === piece.length) this.#endPiece(piece);
    }
  }

  #endPiece(piece: Buffer): void {
    this.#piece = null;
    this.#at = 0;
    if (this.#isOwner && piece.length >= FREED_BYTES) detachBuffer(piece);
  }
}
