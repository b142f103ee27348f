// Reads the heads of one connection, in whatever pieces their bytes arrive. A head that is complete in one read
// is parsed in place; a head in pieces waits in a PartialHead, which exists only as long as it is needed. No
// I/O.

import { ERRORS, RequestFault } from "../http/error.ts";
import { isOf, TOKEN } from "../http/grammar.ts";
import type { RequestHead } from "../http/message.ts";
import { MAX_FIELDS } from "../net/connection-limits.ts";
import { KeptBytes } from "../net/kept-bytes.ts";
import { type MemoryBudget, UNLIMITED } from "../net/memory-budget.ts";
import { HEAD_LIMITS, type HeadLimits, type HeadParser } from "./head-parser.ts";
import { MAX_LEADING_BYTES } from "./limits.ts";

const CR = 13;
const LF = 10;
const SPACE = 32;
/** The last line end of a head, and its empty line. */
const HEAD_END = Buffer.from("\r\n\r\n");
/**
 * The end of a head is looked for in reads of more than this: the values of a head keep the whole text that they
 * are cut from, which must not hold a body or the next heads. In smaller reads the search would cost more.
 */
const SMALL_READ_BYTES = 4096;

export class HeadReader {
  /** Index after the last head. */
  end = 0;
  /** Bytes of the text that the last head keeps in memory. */
  textBytes = 0;
  readonly #parser: HeadParser;
  readonly #scheme: "http" | "https";
  #partial: PartialHead | null = null;
  /** Bytes of empty lines since the last head. */
  #leading = 0;

  /** `scheme`: the connection's. */
  constructor(parser: HeadParser, scheme: "http" | "https" = "http") {
    this.#parser = parser;
    this.#scheme = scheme;
  }

  /** Memory of the incomplete head. */
  get memoryBytes(): number {
    return this.#partial?.memoryBytes ?? 0;
  }

  /** Whether a head has begun; empty lines before a head are not a part of it. */
  get hasBegun(): boolean {
    return this.#partial !== null;
  }

  /**
   * Reads the head that begins or continues at `start`. Null: the head is incomplete, and all of the chunk has
   * been taken, and memory of `budget`. Throws RequestFault.
   */
  read(chunk: Buffer, start: number, budget: MemoryBudget = UNLIMITED): RequestHead | null {
    if (this.#partial !== null) return this.#continue(this.#partial, chunk, start);
    let at = start;
    while (chunk[at] === CR && chunk[at + 1] === LF) at += 2;
    if (at > start) this.#leading = countLeading(this.#leading, at - start);
    if (at === chunk.length) return null;
    const text = chunk.toString("latin1", at, this.#textEnd(chunk, at));
    const head = this.#parser.parse(text, 0, this.#scheme);
    if (head === null) {
      this.#partial = new PartialHead(this.#parser.limits, this.#leading, budget);
      return this.#continue(this.#partial, chunk, at);
    }
    this.textBytes = text.length;
    this.#leading = 0;
    this.end = at + this.#parser.end;
    return head;
  }

  /** Forgets the incomplete head. */
  drop(): void {
    this.#partial?.drop();
    this.#partial = null;
  }

  #textEnd(chunk: Buffer, at: number): number {
    const limit = at + this.#parser.limits.headBytes + 1;
    if (chunk.length - at <= SMALL_READ_BYTES) return Math.min(chunk.length, limit);
    const end = chunk.indexOf(HEAD_END, at);
    return Math.min(end === -1 ? chunk.length : end + HEAD_END.length, limit);
  }

  #continue(partial: PartialHead, chunk: Buffer, start: number): RequestHead | null {
    const taken = partial.push(chunk, start);
    if (taken === -1) {
      if (!partial.isBlank) return null;
      this.#leading = partial.leading;
      this.drop();
      return null;
    }
    this.#partial = null;
    this.#leading = 0;
    this.textBytes = partial.text.length;
    const head = this.#parser.parse(partial.text, 0, this.#scheme);
    // PartialHead has found the empty line that ends the head, so the parser has all of the head.
    if (head === null) throw new RequestFault(ERRORS.REQUEST_LINE_INVALID);
    this.end = start + taken;
    return head;
  }
}

/**
 * Collects a head that arrives in pieces, and finds its end. Each byte is looked at once, even if the client
 * sends byte by byte. What further bytes cannot make right is refused at once: a CR or LF that ends no line,
 * and anything above a limit. HeadParser parses the complete head.
 */
export class PartialHead {
  /** The head, "" until `push` has found the end. */
  text = "";
  /** Bytes of empty lines before the head. */
  leading: number;
  readonly #kept: KeptBytes;
  /** Bytes of the current line, and lines that have ended; line 0 is the request line. */
  #lineLength = 0;
  #lines = 0;
  #isAfterCr = false;
  #hasSpace = false;
  readonly #limits: HeadLimits;

  /** `leading`: bytes of empty lines that came before. */
  constructor(limits = HEAD_LIMITS, leading = 0, budget = UNLIMITED) {
    this.#limits = limits;
    this.leading = leading;
    this.#kept = new KeptBytes(budget);
  }

  get memoryBytes(): number {
    return this.#kept.memoryBytes;
  }

  /** Whether only empty lines have come. */
  get isBlank(): boolean {
    return this.#kept.length === 0 && !this.#isAfterCr;
  }

  /** Takes bytes. Returns the index after the head's end, -1 if the head is incomplete. Throws RequestFault. */
  push(bytes: Buffer, start = 0): number {
    const { lineBytes, headBytes } = this.#limits;
    let before = this.#kept.length;
    let from = start;
    for (let at = start; at < bytes.length; at += 1) {
      const code = bytes[at] ?? 0;
      if (this.#isAfterCr) {
        if (code !== LF) throw new RequestFault(ERRORS.LINE_END_INVALID);
        this.#isAfterCr = false;
        if (this.#lines === 0 && this.#lineLength === 0) {
          this.#skipEmptyLine();
          before = 0;
          from = at + 1;
          continue;
        }
        if (this.#lineLength === 0) return this.#finish(bytes, from, at + 1);
        this.#endLine();
      } else if (code === LF) throw new RequestFault(ERRORS.LINE_END_INVALID);
      else if (code === CR) this.#isAfterCr = true;
      else {
        if (this.#lines === 0 && this.#lineLength === 0) checkFirst(code);
        this.#lineLength += 1;
        if (code === SPACE) this.#hasSpace = true;
      }
      if (this.#lines === 0 && this.#lineLength > lineBytes) this.#refuseLongLine();
      if (before + at - from >= headBytes) throw new RequestFault(ERRORS.HEAD_TOO_LARGE);
    }
    if (from < bytes.length) this.#kept.append(bytes, from);
    return -1;
  }

  /** Forgets the head. */
  drop(): void {
    this.#kept.release();
  }

  // Some old clients send CRLF after a body. RFC 9112 §2.2.
  #skipEmptyLine(): void {
    this.leading = countLeading(this.leading, 2);
    this.#kept.release();
  }

  #endLine(): void {
    this.#lines += 1;
    this.#lineLength = 0;
    if (this.#lines > MAX_FIELDS + 1) throw new RequestFault(ERRORS.TOO_MANY_FIELDS);
  }

  // Up to the first space, all of a line is the method. RFC 9112 §3.
  #refuseLongLine(): never {
    throw new RequestFault(this.#hasSpace ? ERRORS.TARGET_TOO_LONG : ERRORS.METHOD_TOO_LONG);
  }

  #finish(bytes: Buffer, from: number, end: number): number {
    this.text = this.#kept.bytes.toString("latin1") + bytes.toString("latin1", from, end);
    this.#kept.release();
    return end;
  }
}

function checkFirst(code: number): void {
  if (!isOf(code, TOKEN)) throw new RequestFault(ERRORS.METHOD_INVALID);
}

/** Adds bytes of empty lines to those before the same head. Throws RequestFault above the limit. */
function countLeading(before: number, bytes: number): number {
  const leading = before + bytes;
  if (leading > MAX_LEADING_BYTES) throw new RequestFault(ERRORS.REQUEST_LINE_INVALID);
  return leading;
}
