// A head that comes in pieces: keeps them and looks for the end, each byte once, whatever the size of
// the pieces (a client may send byte by byte). Refuses early what no further byte can make right: line
// ends that are none, and too much of anything. The head itself is read by HeadParser when it is whole.

import { ERRORS, RequestFault } from "../http/error.ts";
import { isOf, TOKEN } from "../http/grammar.ts";
import { MAX_FIELDS, MAX_HEAD_BYTES, MAX_LEADING_BYTES, MAX_REQUEST_LINE_BYTES } from "./limits.ts";

const CR = 13;
const LF = 10;
/** Pieces that are joined to one: a list of single characters costs eight times their bytes. */
const MAX_PIECES = 64;

/** One head in the making; made when a read does not hold a whole one. */
export class PartialHead {
  /** The head's bytes, whole when `push` has said so. */
  text = "";
  #pieces: string[] = [];
  #length = 0;
  /** Bytes of the current line, and lines that have ended; line 0 is the request line. */
  #lineLength = 0;
  #lines = 0;
  #leading = 0;
  #isAfterCr = false;
  #hasSpace = false;

  /** Whether nothing but empty lines has come. */
  get isBlank(): boolean {
    return this.#length === 0 && !this.#isAfterCr;
  }

  /** Takes text. Returns how much of it is the head's, or -1 if that is not whole. Throws RequestFault. */
  push(text: string): number {
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
      if (this.#lines === 0 && this.#lineLength > MAX_REQUEST_LINE_BYTES) this.#refuseLongLine();
      if (this.#length + at - from >= MAX_HEAD_BYTES) throw new RequestFault(ERRORS.HEAD_TOO_LARGE);
    }
    this.#keep(text.slice(from));
    return -1;
  }

  #checkFirst(code: number): void {
    if (!isOf(code, TOKEN)) throw new RequestFault(ERRORS.METHOD_INVALID);
  }

  // Old clients send CRLF after a body. RFC 9112 §2.2.
  #skipEmptyLine(): void {
    this.#leading += 2;
    this.#pieces = [];
    this.#length = 0;
    this.text = "";
    if (this.#leading > MAX_LEADING_BYTES) throw new RequestFault(ERRORS.REQUEST_LINE_INVALID);
  }

  #endLine(): void {
    this.#lines += 1;
    this.#lineLength = 0;
    if (this.#lines > MAX_FIELDS + 1) throw new RequestFault(ERRORS.TOO_MANY_FIELDS);
  }

  // A line without a space is all method. RFC 9112 §3.
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
