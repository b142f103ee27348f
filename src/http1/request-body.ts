// The body of one request: its length (RFC 9112 §6.3), which bytes belong to it, and whether they come soon
// enough. No I/O. An ambiguous length is refused, not repaired: a proxy in front may read it the other way, and
// then an attacker's body becomes the next request.

import { ERRORS, RequestFault } from "../http/error.ts";
import type { BodyReceiver } from "../http/exchange.ts";
import { DIGIT, isAllOf, listMembers, TOKEN } from "../http/grammar.ts";
import { UNLIMITED } from "../net/memory-budget.ts";
import { READ_BYTES } from "../net/wide-reader.ts";
import { ChunkedDecoder } from "./chunked.ts";
import {
  BODY_BYTES_PER_SECOND,
  BODY_GRACE_MS,
  BODY_WINDOW_MS,
  MIN_BODY_BYTES_PER_SECOND,
} from "./limits.ts";

/** Members of Transfer-Encoding that are looked at; more are a list that is invalid. */
const MAX_CODINGS = 16;
const MIN_WINDOW_BYTES = (MIN_BODY_BYTES_PER_SECOND * BODY_WINDOW_MS) / 1000;

/**
 * Returns the body's length in bytes: 0 = none, null = chunked. `contentLength` and `coding` are the field
 * values, null if absent; lines of Transfer-Encoding are joined by ", ". Throws RequestFault: 400 or 501 for
 * the framing, 413 for a length of 2^53 or more.
 */
export function bodyLength(
  version: "1.0" | "1.1",
  contentLength: string | null,
  coding: string | null,
): number | null {
  if (coding === null) return contentLength === null ? 0 : readContentLength(contentLength);
  // An HTTP/1.0 proxy in between does not know the coding. RFC 9112 §6.1.
  if (version === "1.0") throw new RequestFault(ERRORS.CODING_IN_HTTP_10);
  if (contentLength !== null) throw new RequestFault(ERRORS.LENGTH_AND_CODING);
  if (coding.toLowerCase() === "chunked") return null;
  return readCodings(listMembers(coding, MAX_CODINGS) ?? []);
}

function readContentLength(value: string): number {
  // Number() alone would accept "", "1e3", "0x1", "Infinity" and spaces.
  if (!isAllOf(value, DIGIT)) throw new RequestFault(ERRORS.CONTENT_LENGTH_INVALID);
  const length = Number(value);
  if (!Number.isSafeInteger(length)) throw new RequestFault(ERRORS.BODY_TOO_LARGE);
  return length;
}

// 501 if the list is valid and names a coding that the server does not have, else 400.
function readCodings(codings: readonly string[]): null {
  const names = codings.map((name) => name.toLowerCase());
  const isChunkedOnceAtEnd = names.length > 0 && names.indexOf("chunked") === names.length - 1;
  if (!isChunkedOnceAtEnd || !names.every((name) => isAllOf(name, TOKEN)))
    throw new RequestFault(ERRORS.CODING_INVALID);
  if (names.length > 1) throw new RequestFault(ERRORS.CODING_UNSUPPORTED);
  return null;
}

export class RequestBodyReader {
  /** Null until the handler asks for the body. */
  receiver: BodyReceiver | null = null;
  /** Whether the receiver has stopped the flow. */
  isPaused = false;
  /** Index after the last byte taken by `take`. */
  end = 0;
  readonly #decoder: ChunkedDecoder | null;
  /** Bytes of a body with Content-Length that have not arrived; 0 for a chunked body. */
  #left: number;
  readonly #silenceMs: number;
  /** When the body must be whole; each byte before this window has moved it. */
  #deadline = 0;
  #windowStart = 0;
  #windowBytes = 0;
  /** Bytes of the window that an earlier tick has seen, and the tick that saw the last new bytes. */
  #seenBytes = 0;
  #seenAt = 0;

  /**
   * `length`: null = chunked. `silenceMs`: how long no byte may come, 0 = without limit. Throws BODY_TOO_LARGE
   * if the length is above `maxBytes`. `budget` counts the memory of an incomplete line of a chunked body.
   */
  constructor(length: number | null, maxBytes: number, silenceMs: number, budget = UNLIMITED) {
    this.#silenceMs = silenceMs;
    if (length !== null && length > maxBytes) throw new RequestFault(ERRORS.BODY_TOO_LARGE);
    this.#decoder = length === null ? new ChunkedDecoder(maxBytes, budget) : null;
    this.#left = length ?? 0;
  }

  /** Memory of an incomplete line. */
  get memoryBytes(): number {
    return this.#decoder?.memoryBytes ?? 0;
  }

  /** Whether larger reads are worth while, and have room: for any chunked body, or more than READ_BYTES. */
  get readsWide(): boolean {
    const isLarge = this.#decoder !== null || this.#left > READ_BYTES;
    return isLarge && this.receiver?.readsLittle !== true;
  }

  get isWhole(): boolean {
    return this.#decoder === null ? this.#left === 0 : this.#decoder.isDone;
  }

  /** Takes the bytes from `start` that belong to the body; returns its data. Throws RequestFault. */
  take(chunk: Buffer, start: number): Buffer {
    let bytes: Buffer;
    if (this.#decoder === null) {
      this.end = Math.min(chunk.length, start + this.#left);
      this.#left -= this.end - start;
      bytes = chunk.subarray(start, this.end);
    } else {
      bytes = this.#decoder.decode(chunk, start);
      this.end = this.#decoder.end;
    }
    this.#windowBytes += this.end - start;
    return bytes;
  }

  /** Forgets an incomplete line. */
  drop(): void {
    this.#decoder?.drop();
  }

  /** The handler asks for the body. */
  begin(receiver: BodyReceiver, now: number): void {
    this.receiver = receiver;
    this.#deadline = now + BODY_GRACE_MS;
    this.#startWindow(now);
    this.#seenAt = now;
  }

  /** The receiver stops the flow; false: the flow had stopped already. */
  pause(): boolean {
    const isChange = !this.isPaused;
    this.isPaused = true;
    return isChange;
  }

  /** The receiver restarts the flow; false: it was not stopped. The time of a pause is not counted as slow. */
  resume(now: number): boolean {
    const isChange = this.isPaused;
    this.isPaused = false;
    if (isChange) {
      this.#startWindow(now);
      this.#seenAt = now;
    }
    return isChange;
  }

  /** Whether the client was silent for too long, or too few bytes came in a window or in all; called at each tick. */
  isTooSlow(now: number): boolean {
    if (this.receiver === null || this.isPaused) return false;
    if (this.#windowBytes > this.#seenBytes) this.#seenAt = now;
    this.#seenBytes = this.#windowBytes;
    if (this.#silenceMs > 0 && now - this.#seenAt >= this.#silenceMs) return true;
    if (this.receiver.isLive === true || now - this.#windowStart < BODY_WINDOW_MS) return false;
    if (this.#windowBytes < MIN_WINDOW_BYTES) return true;
    this.#startWindow(now);
    return now >= this.#deadline;
  }

  #startWindow(now: number): void {
    this.#deadline += (this.#windowBytes / BODY_BYTES_PER_SECOND) * 1000;
    this.#windowStart = now;
    this.#windowBytes = 0;
    this.#seenBytes = 0;
  }
}
