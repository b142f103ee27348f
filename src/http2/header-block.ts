// A field block that comes in several frames: HEADERS, then CONTINUATION (RFC 9113 §4.3). Limits its bytes and its
// frames, because it must be whole before it can be decoded, and decoded before anything else may come.

import { KeptBytes } from "../net/kept-bytes.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { ConnectionFault, ErrorCode } from "./error-code.ts";
import { MAX_CONTINUATIONS } from "./limits.ts";

export class HeaderBlock {
  readonly streamId: number;
  /** Whether the stream ends with the block. */
  readonly isLast: boolean;
  /** When its first frame came, ms. */
  readonly since: number;
  readonly #kept: KeptBytes;
  readonly #maxBytes: number;
  #frames = 0;

  constructor(
    streamId: number,
    isLast: boolean,
    since: number,
    limits: { readonly maxBytes: number; readonly budget: MemoryBudget },
  ) {
    this.streamId = streamId;
    this.isLast = isLast;
    this.since = since;
    this.#maxBytes = limits.maxBytes;
    this.#kept = new KeptBytes(limits.budget);
  }

  get memoryBytes(): number {
    return this.#kept.memoryBytes;
  }

  /** The block so far. */
  get bytes(): Buffer {
    return this.#kept.bytes;
  }

  /** Adds the part of the block that a frame has. Throws ConnectionFault. */
  add(bytes: Buffer, start: number, end: number): void {
    this.#frames += 1;
    if (this.#kept.length + end - start > this.#maxBytes)
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a field block is too long");
    if (this.#frames > MAX_CONTINUATIONS + 1)
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a field block has too many frames");
    this.#kept.append(bytes, start, end);
  }

  drop(): void {
    this.#kept.release();
  }
}
