// What lies between a worker that writes and a client that reads slower: bytes go straight through
// while the client keeps up, then into memory, then into an unlinked temporary file up to a limit, and
// only then does the writer wait. Order is kept: memory holds the head of the stream, the file its
// tail.
//
//   push ─▶ [sink takes all] ─▶ sink
//      └──▶ memory (1 MiB) ─────▶ sink        memory is refilled from the file
//      └──▶ file (limit)  ──▶ memory
//
// `accept` says how many bytes the writer need not worry about any more; what is not accepted is its
// backpressure.

import type { FileHandle } from "node:fs/promises";

import { detachBuffer } from "./detach-buffer.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { TempFolder } from "./temp-folder.ts";

/** Bytes of one answer that wait in memory; nginx keeps 32 KiB, a proxy for big answers more. */
export const SPOOL_MEMORY_BYTES = 1_048_576;
/** Bytes read from the file at a time. */
const READ_BYTES = 262_144;

export interface SpoolOptions {
  readonly folder: TempFolder;
  /** Shared by all spools. */
  readonly budget: MemoryBudget;
  /** Bytes that the temporary file may hold; then the writer waits. */
  readonly maxFileBytes: number;
  /** Whether the client has enough at the start. */
  readonly isSinkFull: boolean;
  /** Gives bytes to the client, whose they are then; false: it has enough, `drain` will be called. */
  readonly write: (chunk: Buffer) => boolean;
  /** Everything has been given to `write`. */
  readonly end: () => void;
  readonly accept: (bytes: number) => void;
  /** The file could not be written or read: the answer cannot be completed. */
  readonly fail: (error: Error) => void;
}

export class Spool {
  readonly #options: SpoolOptions;
  #isSinkFull: boolean;
  #hasEnded = false;
  #isDestroyed = false;
  #memory: Buffer[] = [];
  #memoryBytes = 0;
  #file: FileHandle | null = null;
  /** Chunks on their way into the file. */
  #unwritten: Buffer[] = [];
  #writtenEnd = 0;
  #readEnd = 0;
  /** Bytes taken beyond the file's limit: accepted when the file has been read to its end. */
  #withheld = 0;
  /** Whether the loop that moves bytes to and from the file runs. */
  #isMoving = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#isSinkFull = options.isSinkFull;
  }

  /** Whether the writer waits for the client. */
  get isHeld(): boolean {
    return this.#withheld > 0;
  }

  push(chunk: Buffer): void {
    if (this.#isDestroyed) return;
    if (this.#isFileInUse() || (this.#isSinkFull && !this.#hasRoom())) {
      this.#unwritten.push(chunk);
      void this.#move();
      return;
    }
    const { length } = chunk;
    if (this.#isSinkFull) this.#remember(chunk);
    else this.#isSinkFull = !this.#options.write(chunk);
    this.#options.accept(length);
  }

  /** Nothing more will be pushed. */
  end(): void {
    this.#hasEnded = true;
    this.#finish();
  }

  /** The sink takes more. */
  drain(): void {
    if (this.#isDestroyed) return;
    this.#isSinkFull = false;
    while (!this.#isSinkFull && this.#memory.length > 0) {
      const chunk = this.#memory.shift();
      if (chunk === undefined) break;
      this.#forget(chunk.length);
      this.#isSinkFull = !this.#options.write(chunk);
    }
    if (this.#isFileInUse()) void this.#move();
    else this.#finish();
  }

  /** Forgets everything: the client has left. */
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

  // One at a time moves bytes into and out of the file, until there is nothing to do for it.
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
    else if (!this.#isSinkFull) this.drain();
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
    // An empty memory is refilled whatever the budget: the stream has to go on.
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
      if (!this.#isSinkFull) this.drain();
      return true;
    }
    if (this.#readEnd === this.#writtenEnd && this.#writtenEnd > 0) await this.#rewind(file);
    return this.#unwritten.length > 0;
  }

  #isHalfFull(): boolean {
    return this.#memoryBytes >= SPOOL_MEMORY_BYTES / 2;
  }

  // The file has been read to its end: its space is given back, and what was withheld is accepted.
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
