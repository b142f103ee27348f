// Fields of an answer that do not stand in its head (RFC 9110 §5.4): early hints before it, trailers behind
// its body; read from a worker's records (docs/worker-protocol.md). What could split or bend a message is a
// fault here as in a head, and so is what a client must know before the body when it comes after it. Pure.

import { ANSWER_CONTROL, CONTENT_LENGTH, NOT_IN_TRAILER } from "./headers.ts";
import type { RequestHead } from "./message.ts";
import { checkField, MAX_RESPONSE_FIELDS, ResponseFault } from "./response-head.ts";

/** Early hints of one answer; more are not sent. Servers of ours send one or two. */
export const MAX_EARLY_HINTS = 16;
/** Bytes of names and values in one of them; a larger one is not sent. Many clients take heads of 16 KiB. */
export const MAX_EARLY_HINT_BYTES = 8192;

const EARLY_HINTS = "103 Early Hints";

/** Validated: names are tokens, values hold no control characters, none belongs to the connection. */
export interface FieldSection {
  readonly names: readonly string[];
  readonly values: readonly string[];
}

/** Reads `103 Early Hints NUL name NUL value …` with `count` fields (RFC 8297). Throws ResponseFault. */
export function parseEarlyHint(record: string, count: number): FieldSection {
  const [status = "", ...parts] = record.split("\0");
  if (status !== EARLY_HINTS) throw new ResponseFault("an early hint has the status 103");
  return readFields(parts, count, (kind, name) => {
    if ((kind & CONTENT_LENGTH) !== 0)
      throw new ResponseFault(`${name} says nothing in an early hint: it has no body`);
  });
}

/** Reads `name NUL value NUL name NUL value …` with `count` fields. Throws ResponseFault. */
export function parseTrailers(record: string, count: number): FieldSection {
  // Without fields there is nothing to part.
  return readFields(record === "" ? [] : record.split("\0"), count, (kind, name) => {
    if ((kind & (NOT_IN_TRAILER | ANSWER_CONTROL)) !== 0)
      throw new ResponseFault(`${name} comes too late in a trailer: it belongs into the head`);
  });
}

/** Bytes of all names and values. */
export function sizeOf({ names, values }: FieldSection): number {
  return names.join("").length + values.join("").length;
}

/** Whether the client says that it keeps trailers (`TE: trailers`). RFC 9110 §10.1.4. */
export function wantsTrailers({ names, values }: RequestHead): boolean {
  return names.some((name, index) => name === "te" && hasTrailers(values[index] ?? ""));
}

function hasTrailers(te: string): boolean {
  return te.split(",").some((member) => /^[ \t]*trailers[ \t]*$/i.test(member));
}

function readFields(
  parts: readonly string[],
  count: number,
  check: (kind: number, name: string) => void,
): FieldSection {
  if (parts.length !== 2 * count)
    throw new ResponseFault(`there are not ${count} fields: a name or a value holds NUL`);
  if (count > MAX_RESPONSE_FIELDS)
    throw new ResponseFault(`${count} fields are more than ${MAX_RESPONSE_FIELDS}`);
  const names: string[] = [];
  const values: string[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const name = parts[i] ?? "";
    const value = parts[i + 1] ?? "";
    check(checkField(name, value), name);
    names.push(name);
    values.push(value);
  }
  return { names, values };
}
