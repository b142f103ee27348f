// The fields that the server adds to every response, whatever the HTTP version that carries it: Server,
// Date, X-Request-ID. A field for all responses is added here and nowhere else; both engines and every
// kind of response (whole, streamed, error, 101, refusal of an unreadable request) take it from here.
//
// Fields of two kinds, because a head is used for many responses and an engine keeps what it has encoded
// of it: `fixedFields` are the same whenever the head is sent, `addResponseFields` differ each time.

import type { FieldSection } from "./field-section.ts";
import type { ResponseHead } from "./message.ts";

const REQUEST_ID = "x-request-id";

let second = 0;
let date = "";

/** The fields of a head that are the same in each response: its own, and the server's constants. */
export function fixedFields(head: ResponseHead): FieldSection {
  const names: string[] = [];
  const values: string[] = [];
  for (let i = 0; i < head.names.length; i += 1) {
    const name = head.names[i] ?? "";
    if (!isSent(name.toLowerCase(), head.status)) continue;
    names.push(name);
    values.push(head.values[i] ?? "");
  }
  if (!head.hasServer) {
    names.push("Server");
    values.push("typhon");
  }
  return { names, values };
}

/**
 * Adds the fields that each response has for itself. `add` gets what it returned before, first `sum`, and
 * a field: so a text, a list or a compressor's state can grow without a closure for each response.
 * `requestId`: "" = the request has none, and the head's own X-Request-ID stays.
 */
export function addResponseFields<Sum>(
  sum: Sum,
  add: (sum: Sum, name: string, value: string) => Sum,
  head: ResponseHead,
  requestId: string,
): Sum {
  let all = sum;
  if (!head.hasDate) all = add(all, "Date", currentDate());
  if (requestId === "") all = addOwnIds(all, add, head);
  else all = add(all, "X-Request-ID", requestId);
  return all;
}

function addOwnIds<Sum>(
  start: Sum,
  add: (sum: Sum, name: string, value: string) => Sum,
  head: ResponseHead,
): Sum {
  let sum = start;
  for (const [index, name] of head.names.entries())
    if (name.toLowerCase() === REQUEST_ID) sum = add(sum, name, head.values[index] ?? "");
  return sum;
}

/** A 204 has no length, whatever the application says (RFC 9110 §8.6); request ids are added later. */
function isSent(lowerName: string, status: number): boolean {
  return lowerName !== REQUEST_ID && (status !== 204 || lowerName !== "content-length");
}

/**
 * The current time as HTTP writes it (IMF-fixdate, RFC 9110 §5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
 * Formatted once a second, because formatting costs more than all the rest of a small head.
 */
export function currentDate(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now === second) return date;
  second = now;
  // toUTCString is IMF-fixdate by definition (ECMA-262 §21.4.4.43) for years of four digits.
  date = new Date(now * 1000).toUTCString();
  return date;
}
