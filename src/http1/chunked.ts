// Decodes the chunked coding (RFC 9112 §7.1): bytes in, body bytes out, trailers checked and dropped. No I/O.
// Works inside the given buffer: the data of all chunks in one read is moved together, so that a body of
// one-byte chunks costs its receiver one call for each read, not for each byte.
//
//   size ─CRLF─▶ data ─▶ data-end ─CRLF─▶ size          size 0 ─▶ trailers ─empty line─▶ done

import { ERRORS, RequestFault } from "../http/error.ts";
import { endOf, FIELD_VALUE, HEX, TOKEN } from "../http/grammar.ts";
import { fieldName, NOT_IN_TRAILER } from "../http/headers.ts";
import { MAX_FIELDS, MAX_HEAD_BYTES } from "../net/connection-limits.ts";
import { KeptBytes } from "../net/kept-bytes.ts";
import { UNLIMITED } from "../net/memory-budget.ts";
import { MAX_CHUNK_EXTENSION_BYTES, MAX_CHUNK_SIZE_DIGITS } from "./limits.ts";

const CR = 13;
const LF = 10;
const MAX_CHUNK_LINE_BYTES = MAX_CHUNK_SIZE_DIGITS + MAX_CHUNK_EXTENSION_BYTES;

export class ChunkedDecoder {
  readonly #maxBytes: number;
  #state: "size" | "data" | "data-end" | "trailers" | "done" = "size";
  /** Bytes of the chunk that are still to come; in data-end, bytes of its CRLF. */
  #left = 0;
  #total = 0;
  /** The beginning of a line that is incomplete. */
  readonly #line: KeptBytes;
  #extensionBytes = 0;
  #trailerBytes = 0;
  #trailers = 0;
  /** Index after the last byte taken by `decode`. */
  end = 0;

  /** `maxBytes`: the largest body; a larger one gets 413. `budget` counts the memory of an incomplete line. */
  constructor(maxBytes: number, budget = UNLIMITED) {
    this.#maxBytes = maxBytes;
    this.#line = new KeptBytes(budget);
  }

  /** Memory of an incomplete line. */
  get memoryBytes(): number {
    return this.#line.memoryBytes;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /**
   * Decodes from `start` to the end of the buffer or of the body, and sets `end`. Moves the bytes of the body
   * together inside the buffer, and returns that part of it. Throws RequestFault.
   */
  decode(buffer: Buffer, start: number): Buffer {
    let from = -1;
    let to = -1;
    let at = start;
    while (at < buffer.length && this.#state !== "done") {
      if (this.#state === "data") {
        const size = Math.min(this.#left, buffer.length - at);
        if (from === -1) from = to = at;
        if (to !== at) buffer.copyWithin(to, at, at + size);
        to += size;
        at += size;
        this.#left -= size;
        if (this.#left === 0) {
          this.#state = "data-end";
          this.#left = 2;
        }
      } else if (this.#state === "data-end") {
        const expected = this.#left === 2 ? CR : LF;
        if (buffer[at] !== expected) throw new RequestFault(ERRORS.CHUNK_END_INVALID);
        at += 1;
        this.#left -= 1;
        if (this.#left === 0) this.#state = "size";
      } else at = this.#readLine(buffer, at);
    }
    this.end = at;
    return from === -1 ? buffer.subarray(at, at) : buffer.subarray(from, to);
  }

  /** Forgets an incomplete line. */
  drop(): void {
    this.#line.release();
  }

  /** Takes bytes of a line, and processes the line when it is complete. */
  #readLine(buffer: Buffer, at: number): number {
    const lf = buffer.indexOf(LF, at);
    const end = lf === -1 ? buffer.length : lf + 1;
    const isSize = this.#state === "size";
    const room = isSize ? MAX_CHUNK_LINE_BYTES : MAX_HEAD_BYTES - this.#trailerBytes;
    if (this.#line.length + end - at > room + 2)
      throw new RequestFault(isSize ? ERRORS.CHUNK_EXTENSIONS_TOO_LARGE : ERRORS.HEAD_TOO_LARGE);
    const before = this.#line.length > 0 ? this.#line.bytes : null;
    if (hasStrayLineEnd(buffer, at, end, before?.at(-1) === CR))
      throw new RequestFault(ERRORS.LINE_END_INVALID);
    if (lf === -1) {
      this.#line.append(buffer, at, end);
      return end;
    }
    let text = buffer.toString("latin1", at, end);
    if (before !== null) {
      text = before.toString("latin1") + text;
      this.#line.release();
    }
    const line = text.slice(0, -2);
    if (isSize) this.#startChunk(line);
    else this.#readTrailer(line);
    return end;
  }

  #startChunk(line: string): void {
    const digits = endOf(line, 0, HEX);
    const isFollowed = digits < line.length;
    const isNumber = digits > 0 && digits <= MAX_CHUNK_SIZE_DIGITS;
    if (!isNumber || (isFollowed && !";\t ".includes(line[digits] ?? "")))
      throw new RequestFault(ERRORS.CHUNK_SIZE_INVALID);
    if (isFollowed) this.#checkExtensions(line, digits);
    const size = Number.parseInt(line.slice(0, digits), 16);
    this.#total += size;
    // Doubles lose digits above 2^53, far beyond any limit.
    if (this.#total > this.#maxBytes) throw new RequestFault(ERRORS.BODY_TOO_LARGE);
    this.#left = size;
    this.#state = size === 0 ? "trailers" : "data";
  }

  // Extensions are ignored, but their grammar is checked: a CRLF inside quotes is a line end to some programs.
  // RFC 9112 §7.1.1.
  #checkExtensions(line: string, start: number): void {
    this.#extensionBytes += line.length - start;
    if (this.#extensionBytes > MAX_CHUNK_EXTENSION_BYTES)
      throw new RequestFault(ERRORS.CHUNK_EXTENSIONS_TOO_LARGE);
    let at = start;
    while (at < line.length) at = endOfExtension(line, at);
  }

  #readTrailer(line: string): void {
    if (line === "") {
      this.#state = "done";
      return;
    }
    this.#trailerBytes += line.length + 2;
    this.#trailers += 1;
    if (this.#trailers > MAX_FIELDS) throw new RequestFault(ERRORS.TOO_MANY_FIELDS);
    const colon = line.indexOf(":");
    if (line.startsWith(" ") || line.startsWith("\t")) throw new RequestFault(ERRORS.FIELD_FOLDED);
    const name = colon === -1 ? null : fieldName(line.slice(0, colon));
    if (name === null) throw new RequestFault(ERRORS.FIELD_NAME_INVALID);
    if (endOf(line, colon + 1, FIELD_VALUE) !== line.length)
      throw new RequestFault(ERRORS.FIELD_VALUE_INVALID);
    if ((name.kind & NOT_IN_TRAILER) !== 0)
      throw new RequestFault(ERRORS.FIELD_FORBIDDEN_IN_TRAILER);
  }
}

/** Whether a CR or LF of the piece is outside a CRLF; a CR at its end may become one. An LF is its last byte. */
function hasStrayLineEnd(bytes: Buffer, start: number, end: number, wasAfterCr: boolean): boolean {
  const isLine = bytes[end - 1] === LF;
  if (wasAfterCr) return !isLine || end - start > 1;
  const cr = bytes.indexOf(CR, start);
  if (cr === -1 || cr >= end) return isLine;
  return cr !== end - (isLine ? 2 : 1);
}

/** `BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ]` → the index after it. */
function endOfExtension(line: string, start: number): number {
  let at = skipBlanks(line, start);
  if (line[at] !== ";") throw new RequestFault(ERRORS.CHUNK_EXTENSION_INVALID);
  at = endOfToken(line, skipBlanks(line, at + 1));
  const equals = skipBlanks(line, at);
  if (line[equals] !== "=") return at;
  const value = skipBlanks(line, equals + 1);
  return line[value] === '"' ? endOfQuoted(line, value) : endOfToken(line, value);
}

function skipBlanks(line: string, start: number): number {
  let at = start;
  while (line[at] === " " || line[at] === "\t") at += 1;
  return at;
}

function endOfToken(line: string, start: number): number {
  const end = endOf(line, start, TOKEN);
  if (end === start) throw new RequestFault(ERRORS.CHUNK_EXTENSION_INVALID);
  return end;
}

function endOfQuoted(line: string, start: number): number {
  let at = start + 1;
  while (at < line.length && line[at] !== '"') {
    if (line[at] === "\\") at += 1;
    if (at >= line.length || endOf(line, at, FIELD_VALUE) === at) break;
    at += 1;
  }
  if (line[at] !== '"') throw new RequestFault(ERRORS.CHUNK_EXTENSION_INVALID);
  return at + 1;
}
