// A body that is received whole before anybody works on its request: in memory while it is small, then in a
// temporary file. So a slow client holds no thread of a WSGI worker and no CGI program.

import { ERRORS, type HttpError } from "../../http/error.ts";
import type { BodyReceiver, Exchange } from "../../http/exchange.ts";
import type { MemoryBudget } from "../../net/memory-budget.ts";
import { Pieces } from "../../net/pieces.ts";
import {
  NoTempRoom,
  type TempFile,
  type TempFileUse,
  type TempFolder,
} from "../../net/temp-folder.ts";

/** Bytes of one body that stay in memory; gunicorn and nginx hold less, a form is smaller. */
const MAX_BODY_IN_MEMORY_BYTES = 262_144;
/** Bytes of each body that stay in memory even when all bodies together hold too much: no file for a few bytes. */
const SMALL_BODY_BYTES = 4096;
/** Bytes that may wait for the disk before the client has to. */
const MAX_UNWRITTEN_BYTES = 1_048_576;
/** Time before a body can count as slow. */
const MIN_PACE_MS = 10_000;

/** A request whose body is received whole. One of its methods is called, once, unless the body is released. */
export interface ReceivingRequest {
  readonly exchange: Exchange;
  readonly context: { readonly folder: TempFolder; readonly budget: MemoryBudget };
  /** The body is whole, in memory; null: it has no byte. */
  submit(body: Buffer | null): void;
  /** The body is whole, in a file that stays until the body is released, or another process removes it. */
  submitFile(path: string, length: number): void;
  /** The body comes too slowly while others have no room. */
  fail(error: HttpError): void;
  /** A temporary file could not be written. */
  failStore(error: Error): void;
}

/** Receives the body of one request. */
export class ReceivedBody implements BodyReceiver, TempFileUse {
  readonly kind = "request";
  readonly #request: ReceivingRequest;
  readonly #startedAt = performance.now();
  readonly #pieces = new Pieces();
  /** Bytes in #pieces, and those that are being written. */
  #held = 0;
  /** Bytes received in all. */
  #length = 0;
  #file: TempFile | null = null;
  #state: "memory" | "file" | "whole" | "released" = "memory";
  #hasEnded = false;
  #isWriting = false;

  constructor(request: ReceivingRequest) {
    this.#request = request;
  }

  /** Takes the body from the client. */
  begin(): void {
    this.#request.exchange.receive(this);
  }

  onBody(chunk: Buffer): void {
    if (this.#state === "released") return;
    this.#pieces.copy(chunk);
    this.#held += chunk.length;
    this.#length += chunk.length;
    const { exchange, context } = this.#request;
    const { budget } = context;
    budget.take(chunk.length);
    const limit = budget.hasRoom ? MAX_BODY_IN_MEMORY_BYTES : SMALL_BODY_BYTES;
    if (this.#state === "memory" && this.#length <= limit) return;
    this.#state = "file";
    if (this.#held >= MAX_UNWRITTEN_BYTES || !budget.hasRoom) exchange.pauseBody();
    void this.#write();
  }

  onBodyEnd(): void {
    this.#hasEnded = true;
    if (this.#state === "file") void this.#write();
    if (this.#state !== "memory") return;
    const bytes = this.#pieces.takeJoined();
    this.#state = "whole";
    this.#request.submit(bytes.length > 0 ? bytes : null);
  }

  pace(now: number): number {
    const ms = now - this.#startedAt;
    const isComing = this.#state === "file" && !this.#hasEnded;
    return isComing && ms >= MIN_PACE_MS ? (this.#length * 1000) / ms : Infinity;
  }

  giveUp(): void {
    this.#request.fail(ERRORS.BODY_TIMEOUT);
  }

  /** Gives back memory and file, whole or not. */
  release(): void {
    this.#request.context.budget.give(this.#held);
    this.#held = 0;
    this.#pieces.takeAll();
    this.#state = "released";
    if (!this.#isWriting) void this.#remove();
  }

  // Never rejects.
  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      this.#file ??= await this.#request.context.folder.create(this);
      while (this.#state === "file" && this.#pieces.bytes > 0) await this.#writeChunks(this.#file);
      if (this.#state === "file" && this.#hasEnded) await this.#finish(this.#file);
    } catch (error) {
      // A request that has ended meanwhile has its response.
      if (!this.#isReleased())
        this.#request.failStore(error instanceof Error ? error : new Error(String(error)));
    }
    this.#isWriting = false;
    if (this.#isReleased()) void this.#remove();
  }

  async #writeChunks(file: TempFile): Promise<void> {
    const length = this.#pieces.bytes;
    const chunks = this.#pieces.takeAll();
    if (!file.reserve(length)) throw new NoTempRoom("the temporary files are full");
    await file.write(chunks);
    if (this.#state !== "file") return;
    this.#held -= length;
    const { budget } = this.#request.context;
    budget.give(length);
    if (this.#held < MAX_UNWRITTEN_BYTES) this.#request.exchange.resumeBody();
  }

  async #finish(file: TempFile): Promise<void> {
    await file.seal();
    if (this.#state !== "file") return;
    this.#state = "whole";
    this.#request.submitFile(file.path, this.#length);
  }

  #isReleased(): boolean {
    return this.#state === "released";
  }

  async #remove(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.discard();
  }
}
