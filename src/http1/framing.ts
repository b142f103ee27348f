// Body length of a request (RFC 9112 §6.3). Pure: sees field values, never bytes. Ambiguity is refused,
// not repaired: a proxy in front may read it the other way, and then the next request is an attacker's.

import { ERRORS, RequestFault } from "../http/error.ts";
import { DIGIT, isAllOf, listMembers, TOKEN } from "../http/grammar.ts";

/**
 * Bytes of body: 0 = none, null = chunked. `contentLength` and `coding` are the field values, null if
 * absent; lines of Transfer-Encoding are joined by ", ". Throws the 400s and 501 of framing, 413 for
 * a length that no number holds.
 */
export function bodyLength(
  version: "1.0" | "1.1",
  contentLength: string | null,
  coding: string | null,
): number | null {
  if (coding === null) return contentLength === null ? 0 : readContentLength(contentLength);
  // A 1.0 recipient between us and the client does not know the coding. RFC 9112 §6.1.
  if (version === "1.0") throw new RequestFault(ERRORS.CODING_IN_HTTP_10);
  if (contentLength !== null) throw new RequestFault(ERRORS.LENGTH_AND_CODING);
  if (coding.toLowerCase() === "chunked") return null;
  return readCodings(listMembers(coding));
}

function readContentLength(value: string): number {
  // Number() alone would take "", "1e3", "0x1", "Infinity" and spaces.
  if (!isAllOf(value, DIGIT)) throw new RequestFault(ERRORS.CONTENT_LENGTH_INVALID);
  const length = Number(value);
  if (!Number.isSafeInteger(length)) throw new RequestFault(ERRORS.BODY_TOO_LARGE);
  return length;
}

// 501 where the list is right and only names codings we do not have, else 400.
function readCodings(codings: readonly string[]): null {
  const names = codings.map((name) => name.toLowerCase());
  const isChunkedOnceAtEnd = names.length > 0 && names.indexOf("chunked") === names.length - 1;
  if (!isChunkedOnceAtEnd || !names.every((name) => isAllOf(name, TOKEN)))
    throw new RequestFault(ERRORS.CODING_INVALID);
  if (names.length > 1) throw new RequestFault(ERRORS.CODING_UNSUPPORTED);
  return null;
}
