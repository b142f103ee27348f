// The fields that the server adds to every response in every HTTP version: Server, Date, X-Request-ID, and over TLS
// Strict-Transport-Security. Such a field is added here and nowhere else; all engines and all kinds of response (complete, streamed, error, 101,
// refusal of an unreadable request) take it from here.
//
// A head is used for many responses, and an engine caches the encoded head. So `fixedFields` has the fields
// that are the same each time, and `addResponseFields` those that differ.

import type { FieldSection } from "./field-section.ts";
import { formatHttpDate } from "./http-date.ts";
import type { ResponseHead } from "./message.ts";

let second = 0;
let date = "";

/** The value of Strict-Transport-Security (RFC 6797 §6.1); "" = none. */
export function hstsValue(seconds: number): string {
  return seconds === 0 ? "" : `max-age=${seconds}`;
}

/** The fields that are the same in each response with this head: its own, and the server's constants. */
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
 * Adds the fields that differ in each response. `add` gets the sum so far (at first `sum`) and a field, and
 * returns the new sum: a text, a list or a compressor's state, without a closure for each response.
 * `requestId`: "" = the request has none. `hsts`: Strict-Transport-Security, "" = none, as on a connection without
 * TLS (RFC 6797 §7.2).
 */
export function addResponseFields<Sum>(
  sum: Sum,
  add: (sum: Sum, name: string, value: string) => Sum,
  head: ResponseHead,
  requestId: string,
  hsts: string,
): Sum {
  let all = head.hasDate ? sum : add(sum, "Date", currentDate());
  if (requestId !== "" && !head.hasRequestId) all = add(all, "X-Request-ID", requestId);
  if (hsts !== "" && !head.hasHsts) all = add(all, "Strict-Transport-Security", hsts);
  return all;
}

/** A 204 has no Content-Length, whatever the application says (RFC 9110 §8.6). */
function isSent(lowerName: string, status: number): boolean {
  return status !== 204 || lowerName !== "content-length";
}

/**
 * The current time in the format of HTTP (IMF-fixdate, RFC 9110 §5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
 * Formatted once a second, because that costs more than the rest of a small head.
 */
export function currentDate(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now === second) return date;
  second = now;
  date = formatHttpDate(now);
  return date;
}
