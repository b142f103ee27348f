// What an engine reads from the fields of a request in every HTTP version. Pure.

import { ERRORS, RequestFault } from "./error.ts";
import { DIGIT, isAllOf } from "./grammar.ts";
import {
  ACCEPT_ENCODING,
  CONDITION,
  EXPECT,
  FORWARDED,
  MISTAKABLE,
  RANGE,
  REQUEST_ID,
} from "./headers.ts";
import {
  HAS_CODING,
  HAS_CONDITION,
  HAS_EXPECT,
  HAS_FORWARDED,
  HAS_MISTAKABLE,
  HAS_RANGE,
  HAS_REQUEST_ID,
  type RequestHead,
} from "./message.ts";

/** Reads Content-Length: one decimal number. Throws RequestFault: 400, or 413 for a length of 2^53 or more. */
export function readContentLength(value: string): number {
  // Number() alone would accept "", "1e3", "0x1", "Infinity" and spaces.
  if (!isAllOf(value, DIGIT)) throw new RequestFault(ERRORS.CONTENT_LENGTH_INVALID);
  const length = Number(value);
  if (!Number.isSafeInteger(length)) throw new RequestFault(ERRORS.BODY_TOO_LARGE);
  return length;
}

/** The first value of a field, by its name in lower case; null: the head does not have it. */
export function fieldValue({ names, values }: RequestHead, name: string): string | null {
  return values[names.indexOf(name)] ?? null;
}

/** The bits of RequestHead.fields for all kinds of fields (headers.ts) of a head. */
export function headBits(kinds: number): number {
  return (
    ((kinds & FORWARDED) !== 0 ? HAS_FORWARDED : 0) |
    ((kinds & REQUEST_ID) !== 0 ? HAS_REQUEST_ID : 0) |
    ((kinds & EXPECT) !== 0 ? HAS_EXPECT : 0) |
    ((kinds & MISTAKABLE) !== 0 ? HAS_MISTAKABLE : 0) |
    ((kinds & CONDITION) !== 0 ? HAS_CONDITION : 0) |
    ((kinds & RANGE) !== 0 ? HAS_RANGE : 0) |
    ((kinds & ACCEPT_ENCODING) !== 0 ? HAS_CODING : 0)
  );
}
