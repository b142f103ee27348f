// The body of one response between a worker that writes fast and a client that reads slowly. Bytes go straight
// to the client while the client keeps up, then into memory, then into an unlinked temporary file; only when
// the file is full does the writer wait. Memory holds the next bytes of the stream, the file the bytes behind
// them, so the order is kept.
//
//   push ─▶ client has room ──▶ write
//      └──▶ memory (1 MiB) ───▶ write        memory is refilled from the file
//      └──▶ file (limit) ─────▶ memory
//
// `accept` tells the writer how many bytes the spool has taken over. Bytes beyond the file's limit are accepted
// late; this is the backpressure on the writer.

import type { FileHandle } from "node:fs/promises";

import { detachBuffer } from "./buffer-pool.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { TempFolder } from "./temp-folder.ts";

/** Bytes of one response kept in memory; nginx keeps 32 KiB, proxies for large responses more. */
export const SPOOL_MEMORY_BYTES = 1_048_576;
/** Size of one read of the file. */
const READ_BYTES = 262_144;

export interface SpoolOptions {
  readonly folder: TempFolder;
  /** Shared by all spools. */
  readonly budget: MemoryBudget;
  /** Size of the temporary file at which the writer has to wait. */
  readonly maxFileBytes: number;
  /** Sends a chunk to the client and takes the chunk over; false: no more room, until `drain` is called. */
  readonly write: (chunk: Buffer) => boolean;
  /** Called once, when all bytes have been given to `write`. */
  readonly end: () => void;
  /** Called with the number of bytes that the writer may forget. */
  readonly accept: (bytes: number) => void;
  /** Called when the file cannot be written or read: the response cannot be completed. */
  readonly fail: (error: Error) => void;
}

export class Spool {
  readonly #options: SpoolOptions;
  /** A spool is made when the client has no room. */
  #isClientFull = true;
  #hasEnded = false;
  #isDestroyed = false;
  #memory: Buffer[] = [];
  #memoryBytes = 0;
  #file: FileHandle | null = null;
  /** Chunks that are to be written to the file. */
  #unwritten: Buffer[] = [];
  /** Offsets in the file: the end of the bytes written, and of the bytes read back. */
  #writtenEnd = 0;
  #readEnd = 0;
  /** Bytes taken beyond the file's limit, which are accepted when the file has been read to its end. */
  #withheld = 0;
  /** Whether the loop that writes and reads the file runs. */
  #isMoving = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Whether the writer waits for the client. */
  get isHeld(): boolean {
    return this.#withheld > 0;
  }

  /** Takes the next chunk of the body over. */
  push(chunk: Buffer): void {
    if (this.#isDestroyed) return;
    if (this.#isFileInUse() || (this.#isClientFull && !this.#hasRoom())) {
      this.#unwritten.push(chunk);
      void this.#move();
      return;
    }
    const { length } = chunk;
    if (this.#isClientFull) this.#remember(chunk);
    else this.#isClientFull = !this.#options.write(chunk);
    this.#options.accept(length);
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
    while (!this.#isClientFull && this.#memory.length > 0) {
      const chunk = this.#memory.shift();
      if (chunk === undefined) break;
      this.#forget(chunk.length);
      this.#isClientFull = !this.#options.write(chunk);
    }
    if (this.#isFileInUse()) void this.#move();
    else this.#finish();
  }

  /** Drops all bytes, because the client has left. */
  destroy(): void {
    this.#isDestroyed = true;
    this.#memory = [];
    this.#forget(this.#memoryBytes);
    this.#unwritten = [];
    if (!this.#isMoving) void this.#close();
  }

  #hasRoom(): boolean {
    return this.#memoryBytes < SPOOL_MEMORY_BYTES && this.#options.budget.hasRoom;
  }

  #remember(chunk: Buffer): void {
    this.#memory.push(chunk);
    this.#memoryBytes += chunk.length;
    this.#options.budget.take(chunk.length);
  }

  #forget(bytes: number): void {
    this.#memoryBytes -= bytes;
    this.#options.budget.give(bytes);
  }

  #isFileInUse(): boolean {
    return this.#unwritten.length > 0 || this.#isMoving || this.#readEnd < this.#writtenEnd;
  }

  #finish(): void {
    if (!this.#hasEnded || this.#isDestroyed) return;
    if (this.#isFileInUse() || this.#memory.length > 0) return;
    this.#isDestroyed = true;
    void this.#close();
    this.#options.end();
  }

  // Writes and reads the file until there is nothing to move. At most one such loop runs.
  async #move(): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    try {
      this.#file ??= await this.#options.folder.createUnlinked();
      while (!this.#isDestroyed && (await this.#moveOnce(this.#file)));
    } catch (error) {
      if (!this.#isDestroyed) {
        this.destroy();
        this.#options.fail(error instanceof Error ? error : new Error(String(error)));
      }
    }
    this.#isMoving = false;
    if (this.#isDestroyed) void this.#close();
    else if (!this.#isClientFull) this.drain();
  }

  async #moveOnce(file: FileHandle): Promise<boolean> {
    if (this.#unwritten.length > 0) {
      const chunks = this.#unwritten;
      this.#unwritten = [];
      const { bytesWritten } = await file.writev(chunks, this.#writtenEnd);
      const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      if (bytesWritten < length) throw new Error("a short write to a temporary file");
      for (const chunk of chunks) detachBuffer(chunk);
      this.#writtenEnd += length;
      if (this.#writtenEnd >= this.#options.maxFileBytes) this.#withheld += length;
      else this.#options.accept(length);
      return true;
    }
    // Empty memory is refilled even when the budget is used up: the stream has to go on.
    const isWanted = this.#memory.length === 0 || (this.#hasRoom() && !this.#isHalfFull());
    if (this.#readEnd < this.#writtenEnd && isWanted) {
      const wanted = Math.min(READ_BYTES, this.#writtenEnd - this.#readEnd);
      const { bytesRead, buffer } = await file.read(
        Buffer.allocUnsafe(wanted),
        0,
        wanted,
        this.#readEnd,
      );
      if (bytesRead === 0) throw new Error("a temporary file has become shorter");
      this.#readEnd += bytesRead;
      this.#remember(buffer.subarray(0, bytesRead));
      if (!this.#isClientFull) this.drain();
      return true;
    }
    if (this.#readEnd === this.#writtenEnd && this.#writtenEnd > 0) await this.#rewind(file);
    return this.#unwritten.length > 0;
  }

  #isHalfFull(): boolean {
    return this.#memoryBytes >= SPOOL_MEMORY_BYTES / 2;
  }

  // The file has been read to its end: its space is freed, and the withheld bytes are accepted.
  async #rewind(file: FileHandle): Promise<void> {
    this.#readEnd = 0;
    this.#writtenEnd = 0;
    await file.truncate(0);
    const accepted = this.#withheld;
    this.#withheld = 0;
    if (accepted > 0) this.#options.accept(accepted);
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}
