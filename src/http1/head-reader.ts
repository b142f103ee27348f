// Heads out of one connection's bytes, however they are cut: one that lies whole in a read is parsed where
// it is; else its pieces wait in a PartialHead, which exists only as long as it is needed. No I/O.

import { ERRORS, RequestFault } from "../http/error.ts";
import type { RequestHead } from "../http/message.ts";
import type { HeadParser } from "./head-parser.ts";
import { MAX_HEAD_BYTES } from "./limits.ts";
import { PartialHead } from "./partial-head.ts";

const CR = 13;
const LF = 10;

export class HeadReader {
  /** Index after the last head. */
  end = 0;
  readonly #parser: HeadParser;
  #partial: PartialHead | null = null;

  constructor(parser: HeadParser) {
    this.#parser = parser;
  }

  /** Whether a part of a head has come; empty lines before one are none. */
  get hasBegun(): boolean {
    return this.#partial !== null;
  }

  /**
   * Reads the head that begins or goes on at `start`; null if the chunk ends before it does, and then all
   * of the chunk has been taken. Throws RequestFault.
   */
  read(chunk: Buffer, start: number): RequestHead | null {
    if (this.#partial !== null) return this.#continue(this.#partial, chunk, start);
    let at = start;
    while (chunk[at] === CR && chunk[at + 1] === LF) at += 2;
    if (at === chunk.length) return null;
    // A read may hold a large body behind its head.
    const end = Math.min(chunk.length, at + MAX_HEAD_BYTES + 1);
    const head = this.#parser.parse(chunk.toString("latin1", at, end), 0);
    if (head === null) {
      this.#partial = new PartialHead();
      return this.#continue(this.#partial, chunk, at);
    }
    this.end = at + this.#parser.end;
    return head;
  }

  #continue(partial: PartialHead, chunk: Buffer, start: number): RequestHead | null {
    const taken = partial.push(chunk.toString("latin1", start));
    if (taken === -1) {
      if (partial.isBlank) this.#partial = null;
      return null;
    }
    this.#partial = null;
    const head = this.#parser.parse(partial.text, 0);
    // The end of a head is where its first empty line is, for both.
    if (head === null) throw new RequestFault(ERRORS.REQUEST_LINE_INVALID);
    this.end = start + taken;
    return head;
  }
}
