// The body of one response between a worker that writes fast and a client that reads slowly. Bytes go straight
// to the client while the client keeps up, then into memory, then into an unlinked temporary file. Memory holds
// the next bytes of the stream, the file the bytes behind them, so the order is kept.
//
//   push ─▶ client has room ──▶ write
//      └──▶ memory (1 MiB) ───▶ write        memory is refilled from the file
//      └──▶ file (limit) ─────▶ memory
//      └──▶ no room: held ────▶ memory       when the file has been read to its end
//
// `accept` tells the writer how many bytes the spool has taken over. Held bytes are accepted late; this is the
// backpressure on the writer, which holds them below the writer's credit.

import type { MemoryBudget } from "./memory-budget.ts";
import { Pieces } from "./pieces.ts";
import { NoTempRoom, type TempFile, type TempFileUse, type TempFolder } from "./temp-folder.ts";

/** Bytes of one response kept in memory; nginx keeps 32 KiB, proxies for large responses more. */
export const SPOOL_MEMORY_BYTES = 1_048_576;
/**
 * Where memory is short, bytes passed on to a client at a time: its connection holds at most so many. Else it gets a
 * whole chunk, whose memory is freed at once when it is sent.
 */
const PIECE_BYTES = 65_536;
/** Size of one read of the file. */
const READ_BYTES = 262_144;

export interface SpoolOptions {
  readonly folder: TempFolder;
  /** Shared by all spools. */
  readonly budget: MemoryBudget;
  /** Size of the temporary file at which the writer has to wait; also if there is no room for a file. */
  readonly maxFileBytes: number;
  /** Sends a chunk to the client and takes the chunk over; false: no more room, until `drain` is called. */
  readonly write: (chunk: Buffer) => boolean;
  /** Whether the memory of clients' connections is short. */
  readonly isTight: () => boolean;
  /** Called once, when all bytes have been given to `write`. */
  readonly end: () => void;
  /** Called with the number of bytes that the writer may forget. */
  readonly accept: (bytes: number) => void;
  /** Called when the response cannot be completed: the file fails, or too much is held in memory. */
  readonly fail: (error: Error) => void;
}

export class Spool implements TempFileUse {
  readonly kind = "response";
  readonly #options: SpoolOptions;
  /** A spool is made when the client has no room. */
  #isClientFull = true;
  #hasEnded = false;
  #isDestroyed = false;
  readonly #memory = new Pieces();
  #file: TempFile | null = null;
  /** Bytes that are to be written to the file. */
  readonly #unwritten = new Pieces();
  /** Bytes that are being written. */
  #writing = 0;
  /** Whether the file had no room for them. */
  #isFileFull = false;
  /** Offsets in the file: the end of the bytes written, and of the bytes read back. */
  #writtenEnd = 0;
  #readEnd = 0;
  /** Whether the loop that writes and reads the file runs. */
  #isMoving = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Whether the writer waits for the client. */
  get isHeld(): boolean {
    return this.#isFileFull && this.#unwritten.bytes > 0;
  }

  /** A response is never given up for another one: its writer waits. */
  pace(): number {
    return Infinity;
  }

  giveUp(): void {
    // Not called, because of `pace`.
  }

  /** Takes the next chunk of the body over. */
  push(chunk: Buffer): void {
    if (this.#isDestroyed) return;
    const { length } = chunk;
    if (this.#isFileInUse() || (this.#isClientFull && !this.#hasRoom())) {
      this.#unwritten.push(chunk);
      this.#options.budget.take(length);
      if (this.#options.budget.isOverdrawn) this.#fail(new NoTempRoom("too many bodies in memory"));
      else void this.#move();
      return;
    }
    this.#remember(chunk);
    this.#options.accept(length);
    if (!this.#isClientFull) this.drain();
  }

  /** Nothing more will be pushed. */
  end(): void {
    this.#hasEnded = true;
    this.#finish();
  }

  /** The client has room again. */
  drain(): void {
    if (this.#isDestroyed) return;
    this.#isClientFull = false;
    while (!this.#isClientFull) {
      const chunk = this.#memory.shift();
      if (chunk === undefined) break;
      const piece = this.#options.isTight() ? chunk.subarray(0, PIECE_BYTES) : chunk;
      if (piece.length < chunk.length) this.#memory.unshift(chunk.subarray(PIECE_BYTES));
      this.#options.budget.give(piece.length);
      this.#isClientFull = !this.#options.write(piece);
    }
    if (this.#isFileInUse()) void this.#move();
    else this.#finish();
  }

  /** Drops all bytes, because the client has left. */
  destroy(): void {
    this.#isDestroyed = true;
    const { budget } = this.#options;
    budget.give(this.#memory.bytes + this.#unwritten.bytes + this.#writing);
    this.#memory.takeAll();
    this.#unwritten.takeAll();
    this.#writing = 0;
    if (!this.#isMoving) void this.#close();
  }

  #fail(error: Error): void {
    this.destroy();
    this.#options.fail(error);
  }

  #hasRoom(): boolean {
    return this.#memory.bytes < SPOOL_MEMORY_BYTES && this.#options.budget.hasRoom;
  }

  #remember(chunk: Buffer): void {
    this.#memory.push(chunk);
    this.#options.budget.take(chunk.length);
  }

  #isFileInUse(): boolean {
    return this.#unwritten.bytes > 0 || this.#isMoving || this.#readEnd < this.#writtenEnd;
  }

  #finish(): void {
    if (!this.#hasEnded || this.#isDestroyed) return;
    if (this.#isFileInUse() || this.#memory.bytes > 0) return;
    this.#isDestroyed = true;
    void this.#close();
    this.#options.end();
  }

  // Writes and reads the file until there is nothing to move. At most one such loop runs. Never rejects.
  async #move(): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    try {
      while (!this.#isDestroyed && (await this.#moveOnce()));
      this.#isMoving = false;
      if (!this.#isClientFull) this.drain();
    } catch (error) {
      this.#isMoving = false;
      if (!this.#isDestroyed) this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    // `drain` may have begun another loop.
    if (this.#isDestroyed && !this.#isMoving) await this.#close();
  }

  async #moveOnce(): Promise<boolean> {
    if (this.#unwritten.bytes > 0) {
      this.#isFileFull = !(await this.#spill());
      if (!this.#isFileFull || this.#isDestroyed) return true;
    }
    if (this.#readEnd < this.#writtenEnd) return await this.#readBack();
    if (this.#writtenEnd > 0) {
      await this.#rewind();
      return true;
    }
    return this.#takeBack();
  }

  // Writes as many chunks as have room; false: none has.
  async #spill(): Promise<boolean> {
    const { folder, maxFileBytes } = this.#options;
    if (this.#file === null) {
      if (!folder.hasRoom(this)) return false;
      this.#file = await folder.create(this);
      await this.#file.unlink();
      if (this.#isDestroyed) return false;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    for (let next = this.#unwritten.firstBytes; next > 0; next = this.#unwritten.firstBytes) {
      if (this.#writtenEnd + length + next > maxFileBytes || !this.#file.reserve(next)) break;
      const chunk = this.#unwritten.shift();
      if (chunk !== undefined) chunks.push(chunk);
      length += next;
    }
    if (length === 0) return false;
    this.#writing = length;
    await this.#file.write(chunks, this.#writtenEnd);
    if (this.#isDestroyed) return true;
    this.#writing = 0;
    this.#options.budget.give(length);
    this.#writtenEnd += length;
    this.#options.accept(length);
    return true;
  }

  // Empty memory is refilled even when the budget is used up: the stream has to go on.
  async #readBack(): Promise<boolean> {
    const isHalfFull = this.#memory.bytes >= SPOOL_MEMORY_BYTES / 2;
    const isWanted = this.#memory.bytes === 0 || (this.#hasRoom() && !isHalfFull);
    if (!isWanted || this.#file === null) return false;
    const wanted = Math.min(READ_BYTES, this.#writtenEnd - this.#readEnd);
    const bytes = await this.#file.read(wanted, this.#readEnd);
    if (this.#isDestroyed) return false;
    this.#readEnd += bytes.length;
    this.#remember(bytes);
    if (!this.#isClientFull) this.drain();
    return true;
  }

  // The file has been read to its end: its space is freed.
  async #rewind(): Promise<void> {
    this.#readEnd = 0;
    this.#writtenEnd = 0;
    await this.#file?.truncate();
  }

  // The file is empty and has no room: the bytes that it should have taken go into memory, and are accepted.
  #takeBack(): boolean {
    const before = this.#unwritten.bytes;
    while (this.#memory.bytes === 0 || this.#hasRoom()) {
      const chunk = this.#unwritten.shift();
      if (chunk === undefined) break;
      this.#options.budget.give(chunk.length);
      this.#remember(chunk);
      this.#options.accept(chunk.length);
    }
    if (!this.#isClientFull) this.drain();
    return this.#unwritten.bytes < before;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.discard();
  }
}
