// The body of one request: its length (RFC 9112 §6.3), which bytes belong to it, and whether they come soon
// enough. No I/O. An ambiguous length is refused, not repaired: a proxy in front may read it the other way, and
// then an attacker's body becomes the next request.

import { ERRORS, RequestFault } from "../http/error.ts";
import type { BodyReceiver } from "../http/exchange.ts";
import { isAllOf, listMembers, TOKEN } from "../http/grammar.ts";
import { readContentLength } from "../http/request-fields.ts";
import { BodyPace } from "../net/body-pace.ts";
import { UNLIMITED } from "../net/memory-budget.ts";
import { READ_BYTES } from "../net/wide-reader.ts";
import { ChunkedDecoder } from "./chunked.ts";

/** Members of Transfer-Encoding that are looked at; more are a list that is invalid. */
const MAX_CODINGS = 16;

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
  /** Null until the handler asks for the body. */
  #pace: BodyPace | null = null;

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
    this.#pace?.count(this.end - start);
    return bytes;
  }

  /** Forgets an incomplete line. */
  drop(): void {
    this.#decoder?.drop();
  }

  /** The handler asks for the body. */
  begin(receiver: BodyReceiver, now: number): void {
    this.receiver = receiver;
    this.#pace = new BodyPace(this.#silenceMs, now);
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
    if (isChange) this.#pace?.resume(now);
    return isChange;
  }

  /** Whether the body comes too slowly; called at each tick. */
  isTooSlow(now: number): boolean {
    if (this.receiver === null || this.#pace === null || this.isPaused) return false;
    return this.#pace.isTooSlow(now, this.receiver.isLive === true);
  }
}
