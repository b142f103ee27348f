// Field sections of a response beside its head (RFC 9110 §5.4): early hints before the head, trailers
// behind the body. A character that could bend a message is a fault as in a head, and so is a trailer field
// that a client must know before the body. Pure.

import { hasMember } from "./grammar.ts";
import { CONTENT_LENGTH, NOT_IN_TRAILER, RESPONSE_CONTROL } from "./headers.ts";
import type { RequestHead } from "./message.ts";
import { checkField, MAX_RESPONSE_FIELDS, ResponseFault } from "./response-head.ts";

/** Early hints of one response; more are not sent. Servers of ours send one or two. */
export const MAX_EARLY_HINTS = 16;
/** Bytes of names and values in one hint; a larger one is not sent. Many clients take heads of 16 KiB. */
export const MAX_EARLY_HINT_BYTES = 8192;

/** Names and values, index for index. */
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

/** Whether the client says that it keeps trailers (`TE: trailers`). RFC 9110 §10.1.4. */
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
  return fields;
}
