// Bytes that wait in the order in which they came. Small pieces are joined as they come: a Buffer takes some 200
// bytes beside its own, and one from Node's pool keeps 8 KiB of memory, so that a limit in bytes would not limit the
// memory of pieces of one byte.

/** Smaller pieces are joined; Node's pool has buffers of less than so many bytes. */
export const SMALL_PIECE_BYTES = 4096;
/** Each block of small pieces is twice as large as the one before it, up to here, so at most half of it is unused. */
const MAX_BLOCK_BYTES = 16_384;

const EMPTY = Buffer.alloc(0);

export class Pieces {
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  /** The newest small pieces are from `start` to `end` in this block. */
  #block = EMPTY;
  #start = 0;
  #end = 0;

  /** All bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Length of the piece that `shift` would return; 0: none waits. */
  get firstBytes(): number {
    return this.#pieces[0]?.length ?? this.#end - this.#start;
  }

  /** Appends a piece, whose memory is taken over. */
  push(piece: Buffer): void {
    if (piece.length < SMALL_PIECE_BYTES) this.#join(piece);
    else this.#append(piece);
  }

  /** Appends a copy of bytes that are valid during the call only. */
  copy(bytes: Buffer): void {
    if (bytes.length < SMALL_PIECE_BYTES) {
      this.#join(bytes);
      return;
    }
    const own = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(own);
    this.#append(own);
  }

  /** Removes and returns the oldest piece, or small pieces in one; undefined: none waits. */
  shift(): Buffer | undefined {
    if (this.#pieces.length === 0) this.#close();
    const piece = this.#pieces.shift();
    this.#bytes -= piece?.length ?? 0;
    if (this.#bytes === 0) this.#block = EMPTY;
    return piece;
  }

  /** Puts the rest of a piece that `shift` returned back. */
  unshift(rest: Buffer): void {
    this.#pieces.unshift(rest);
    this.#bytes += rest.length;
  }

  /** Removes and returns all pieces. */
  takeAll(): Buffer[] {
    this.#close();
    this.#block = EMPTY;
    this.#bytes = 0;
    return this.#pieces.splice(0);
  }

  /** Removes and returns all bytes as one buffer. */
  takeJoined(): Buffer {
    const bytes = this.#bytes;
    const pieces = this.takeAll();
    const [first] = pieces;
    return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces, bytes);
  }

  #append(piece: Buffer): void {
    this.#close();
    this.#block = EMPTY;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  #join(piece: Buffer): void {
    if (this.#end + piece.length > this.#block.length || this.#block === EMPTY) {
      this.#close();
      const size = Math.max(piece.length, Math.min(2 * this.#block.length, MAX_BLOCK_BYTES));
      this.#block = Buffer.allocUnsafeSlow(size);
      this.#start = 0;
      this.#end = 0;
    }
    piece.copy(this.#block, this.#end);
    this.#end += piece.length;
    this.#bytes += piece.length;
  }

  /** Ends the piece in the block; the block may take further ones behind it. */
  #close(): void {
    if (this.#end > this.#start) this.#pieces.push(this.#block.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}
