// Fields of a response outside its head: early hints before the head (RFC 8297), trailers after the body (RFC
// 9110 §6.5). A character that could split or change the message is a fault, as in a head. A trailer field that
// a client must know before the body is a fault too. Pure.

import { hasMember, hasOuterBlanks, trimBlanks } from "./grammar.ts";
import { CONTENT_LENGTH, NOT_IN_TRAILER, RESPONSE_CONTROL } from "./headers.ts";
import type { RequestHead } from "./message.ts";
import { checkField, MAX_RESPONSE_FIELDS, ResponseFault } from "./response-head.ts";

/** Most early hints of one response; further ones are not sent. One or two are usual. */
export const MAX_EARLY_HINTS = 16;
/** Most bytes of names and values in one hint; a larger hint is not sent. Many clients accept heads of 16 KiB. */
export const MAX_EARLY_HINT_BYTES = 8192;

/** Names and values; the same index, the same field. */
export interface FieldSection {
  readonly names: readonly string[];
  readonly values: readonly string[];
}

/** Returns the fields of an early hint (RFC 8297), checked. Throws ResponseFault. */
export function checkedHint(fields: FieldSection): FieldSection {
  return checked(fields, CONTENT_LENGTH, "says nothing in an early hint: it has no body");
}

/** Returns the fields of a trailer section, checked. Throws ResponseFault. RFC 9110 §6.5.1. */
export function checkedTrailers(fields: FieldSection): FieldSection {
  const forbidden = NOT_IN_TRAILER | RESPONSE_CONTROL;
  return checked(fields, forbidden, "comes too late in a trailer: it belongs into the head");
}

/** Bytes of all names and values. */
export function sizeOf({ names, values }: FieldSection): number {
  return names.join("").length + values.join("").length;
}

/** Whether the client accepts trailers (`TE: trailers`). RFC 9110 §10.1.4. */
export function wantsTrailers({ names, values }: RequestHead): boolean {
  return names.some((name, index) => name === "te" && hasMember(values[index] ?? "", "trailers"));
}

function checked(fields: FieldSection, forbidden: number, why: string): FieldSection {
  const { names, values } = fields;
  if (names.length > MAX_RESPONSE_FIELDS)
    throw new ResponseFault(`${names.length} fields are more than ${MAX_RESPONSE_FIELDS}`);
  for (const [index, name] of names.entries())
    if ((checkField(name, values[index] ?? "") & forbidden) !== 0)
      throw new ResponseFault(`${name} ${why}`);
  return values.some(hasOuterBlanks) ? { names, values: values.map(trimBlanks) } : fields;
}
