// The body of a request on its way into the queue: received whole before a worker hears of it, in
// memory while it is small, then in a temporary file that a worker opens by its path. So a client that
// sends slowly holds no worker.

import type { BodyReceiver, Exchange } from "../../http/exchange.ts";
import { detachBuffer } from "../../net/buffer-pool.ts";
import type { MemoryBudget } from "../../net/memory-budget.ts";
import type { TempFile, TempFolder } from "../../net/temp-folder.ts";

/** Bytes of one body that stay in memory; gunicorn and nginx hold less, a form is smaller. */
const MAX_BODY_IN_MEMORY_BYTES = 262_144;
/** Bytes that may wait for the disk before the client has to. */
const MAX_UNWRITTEN_BYTES = 1_048_576;

/** Pieces that are kept apart before they are joined. */
const MAX_CHUNKS = 256;

/** A received body: in memory, or in a file that the caller removes. */
export interface ReceivedBody {
  readonly length: number;
  readonly bytes: Buffer | null;
  readonly file: string | null;
}

export interface RequestBodyOptions {
  readonly folder: TempFolder;
  readonly budget: MemoryBudget;
}

export class RequestBody implements BodyReceiver {
  readonly #exchange: Exchange;
  readonly #options: RequestBodyOptions;
  readonly #onWhole: (body: ReceivedBody) => void;
  readonly #onFailure: (error: Error) => void;
  #chunks: Buffer[] = [];
  /** Bytes in #chunks, and bytes in all. */
  #held = 0;
  #length = 0;
  #file: TempFile | null = null;
  #state: "memory" | "file" | "whole" | "released" = "memory";
  #hasEnded = false;
  #isWriting = false;

  constructor(
    exchange: Exchange,
    options: RequestBodyOptions,
    onWhole: (body: ReceivedBody) => void,
    onFailure: (error: Error) => void,
  ) {
    this.#exchange = exchange;
    this.#options = options;
    this.#onWhole = onWhole;
    this.#onFailure = onFailure;
  }

  onBody(chunk: Buffer): void {
    if (this.#state === "released") return;
    // A client that sends byte by byte must not make an object of each of them.
    if (this.#chunks.length >= MAX_CHUNKS) this.#chunks = [Buffer.concat(this.#chunks)];
    this.#chunks.push(Buffer.from(chunk));
    this.#held += chunk.length;
    this.#length += chunk.length;
    this.#options.budget.take(chunk.length);
    const isSmall = this.#length <= MAX_BODY_IN_MEMORY_BYTES && this.#options.budget.hasRoom;
    if (this.#state === "memory" && isSmall) return;
    this.#state = "file";
    if (this.#held >= MAX_UNWRITTEN_BYTES) this.#exchange.pauseBody();
    void this.#write();
  }

  onBodyEnd(): void {
    this.#hasEnded = true;
    if (this.#state === "file") void this.#write();
    if (this.#state !== "memory") return;
    const [only] = this.#chunks;
    const bytes =
      this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    this.#state = "whole";
    this.#onWhole({ length: this.#length, bytes: bytes.length > 0 ? bytes : null, file: null });
  }

  /** The request is over: gives memory and the file back. */
  release(): void {
    this.#options.budget.give(this.#held);
    this.#held = 0;
    this.#chunks = [];
    this.#state = "released";
    if (!this.#isWriting) void this.#remove();
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      this.#file ??= await this.#options.folder.create();
      while (this.#state === "file" && this.#chunks.length > 0) await this.#writeChunks(this.#file);
      if (this.#state === "file" && this.#hasEnded) await this.#finish(this.#file);
    } catch (error) {
      this.release();
      this.#onFailure(error instanceof Error ? error : new Error(String(error)));
    }
    this.#isWriting = false;
    if (this.#isReleased()) void this.#remove();
  }

  async #writeChunks(file: TempFile): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = [];
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const { bytesWritten } = await file.handle.writev(chunks);
    if (bytesWritten < length) throw new Error("a short write to a temporary file");
    for (const chunk of chunks) detachBuffer(chunk);
    if (this.#state !== "file") return;
    this.#held -= length;
    this.#options.budget.give(length);
    if (this.#held < MAX_UNWRITTEN_BYTES) this.#exchange.resumeBody();
  }

  async #finish(file: TempFile): Promise<void> {
    await file.handle.close();
    if (this.#state !== "file") return;
    this.#state = "whole";
    this.#onWhole({ length: this.#length, bytes: null, file: file.path });
  }

  #isReleased(): boolean {
    return this.#state === "released";
  }

  async #remove(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    await this.#options.folder.discard(file);
  }
}
