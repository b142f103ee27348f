// Reads the heads of one connection, in whatever pieces their bytes arrive. A head that is complete in one read
// is parsed in place; a head in pieces waits in a PartialHead, which exists only as long as it is needed. No
// I/O.

import { ERRORS, RequestFault } from "../http/error.ts";
import { isOf, TOKEN } from "../http/grammar.ts";
import type { RequestHead } from "../http/message.ts";
import { HEAD_LIMITS, type HeadLimits, type HeadParser } from "./head-parser.ts";
import { MAX_FIELDS, MAX_LEADING_BYTES } from "./limits.ts";

const CR = 13;
const LF = 10;
/** So many pieces are joined to one: a list of single characters takes eight times the memory of their bytes. */
const MAX_PIECES = 64;

export class HeadReader {
  /** Index after the last head. */
  end = 0;
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

  /** Whether a head has begun; empty lines before a head are not a part of it. */
  get hasBegun(): boolean {
    return this.#partial !== null;
  }

  /**
   * Reads the head that begins or continues at `start`. Null: the head is incomplete, and all of the chunk has
   * been taken. Throws RequestFault.
   */
  read(chunk: Buffer, start: number): RequestHead | null {
    if (this.#partial !== null) return this.#continue(this.#partial, chunk, start);
    let at = start;
    while (chunk[at] === CR && chunk[at + 1] === LF) at += 2;
    if (at > start) this.#leading = countLeading(this.#leading, at - start);
    if (at === chunk.length) return null;
    // Not the whole chunk, because a large body may follow the head.
    const end = Math.min(chunk.length, at + this.#parser.limits.headBytes + 1);
    const head = this.#parser.parse(chunk.toString("latin1", at, end), 0, this.#scheme);
    if (head === null) {
      this.#partial = new PartialHead(this.#parser.limits, this.#leading);
      return this.#continue(this.#partial, chunk, at);
    }
    this.#leading = 0;
    this.end = at + this.#parser.end;
    return head;
  }

  #continue(partial: PartialHead, chunk: Buffer, start: number): RequestHead | null {
    const taken = partial.push(chunk.toString("latin1", start));
    if (taken === -1) {
      if (!partial.isBlank) return null;
      this.#partial = null;
      this.#leading = partial.leading;
      return null;
    }
    this.#partial = null;
    this.#leading = 0;
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
  /** The head's characters, complete once `push` has found the end. */
  text = "";
  /** Bytes of empty lines before the head. */
  leading: number;
  #pieces: string[] = [];
  #length = 0;
  /** Bytes of the current line, and lines that have ended; line 0 is the request line. */
  #lineLength = 0;
  #lines = 0;
  #isAfterCr = false;
  #hasSpace = false;
  readonly #limits: HeadLimits;

  /** `leading`: bytes of empty lines that came before. */
  constructor(limits = HEAD_LIMITS, leading = 0) {
    this.#limits = limits;
    this.leading = leading;
  }

  /** Whether only empty lines have come. */
  get isBlank(): boolean {
    return this.#length === 0 && !this.#isAfterCr;
  }

  /** Takes text. Returns the index after the head's end, -1 if the head is incomplete. Throws RequestFault. */
  push(text: string): number {
    const { lineBytes, headBytes } = this.#limits;
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (this.#isAfterCr) {
        if (code !== LF) throw new RequestFault(ERRORS.LINE_END_INVALID);
        this.#isAfterCr = false;
        if (this.#lines === 0 && this.#lineLength === 0) {
          this.#skipEmptyLine();
          from = at + 1;
          continue;
        }
        if (this.#lineLength === 0) return this.#finish(text, from, at + 1);
        this.#endLine();
      } else if (code === LF) throw new RequestFault(ERRORS.LINE_END_INVALID);
      else if (code === CR) this.#isAfterCr = true;
      else {
        if (this.#length === 0 && this.#lineLength === 0) this.#checkFirst(code);
        this.#lineLength += 1;
        if (code === 32) this.#hasSpace = true;
      }
      if (this.#lines === 0 && this.#lineLength > lineBytes) this.#refuseLongLine();
      if (this.#length + at - from >= headBytes) throw new RequestFault(ERRORS.HEAD_TOO_LARGE);
    }
    this.#keep(text.slice(from));
    return -1;
  }

  #checkFirst(code: number): void {
    if (!isOf(code, TOKEN)) throw new RequestFault(ERRORS.METHOD_INVALID);
  }

  // Some old clients send CRLF after a body. RFC 9112 §2.2.
  #skipEmptyLine(): void {
    this.leading = countLeading(this.leading, 2);
    this.#pieces = [];
    this.#length = 0;
    this.text = "";
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

  #finish(text: string, from: number, end: number): number {
    this.#keep(text.slice(from, end));
    this.text += this.#pieces.join("");
    this.#pieces = [];
    return end;
  }

  #keep(piece: string): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    this.#pieces.push(piece);
    if (this.#pieces.length < MAX_PIECES) return;
    this.text += this.#pieces.join("");
    this.#pieces = [];
  }
}

/** Adds bytes of empty lines to those before the same head. Throws RequestFault above the limit. */
function countLeading(before: number, bytes: number): number {
  const leading = before + bytes;
  if (leading > MAX_LEADING_BYTES) throw new RequestFault(ERRORS.REQUEST_LINE_INVALID);
  return leading;
}
