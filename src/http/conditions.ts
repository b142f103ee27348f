// Preconditions of a request (RFC 9110 §13): whether a GET of something with these validators gets it, gets 304,
// or any request fails with 412; and whether a Range still holds (If-Range). Pure.

import { trimBlanks } from "./grammar.ts";
import { parseHttpDate } from "./http-date.ts";
import type { RequestHead } from "./message.ts";

/** What identifies the current version of a representation. */
export interface Validators {
  /** The entity tag with its quotes, weak ones with W/ before; "" = none. */
  readonly etag: string;
  /** Last-Modified in seconds since 1970; -1 = none. */
  readonly lastModified: number;
}

export type Verdict = "proceed" | "not-modified" | "failed";

/** Evaluates the conditions of a request in the order of RFC 9110 §13.2.2. A date that is none is ignored. */
export function evaluateConditions(head: RequestHead, current: Validators): Verdict {
  const isRead = head.method === "GET" || head.method === "HEAD";
  const match = fieldList(head, "if-match");
  if (match !== null) {
    if (!hasTag(match, current.etag, "strong")) return "failed";
  } else if (isAfter(current.lastModified, fieldList(head, "if-unmodified-since"))) return "failed";
  const noneMatch = fieldList(head, "if-none-match");
  if (noneMatch !== null) {
    if (!hasTag(noneMatch, current.etag, "weak")) return "proceed";
    return isRead ? "not-modified" : "failed";
  }
  if (!isRead || current.lastModified < 0) return "proceed";
  const since = parseHttpDate(fieldList(head, "if-modified-since") ?? "");
  return since !== null && current.lastModified <= since ? "not-modified" : "proceed";
}

/**
 * Whether the Range field of a request is to be obeyed: without If-Range always, else if the validator is the
 * current one. Weak validators never hold; a date does from the next second on, because a second change could
 * have the same. `now`: seconds since 1970. RFC 9110 §13.1.5.
 */
export function isRangeCurrent(head: RequestHead, current: Validators, now: number): boolean {
  const value = fieldList(head, "if-range");
  if (value === null) return true;
  if (value.startsWith('"')) return value === current.etag;
  const date = parseHttpDate(value);
  return date !== null && date === current.lastModified && now - current.lastModified >= 1;
}

function isAfter(lastModified: number, value: string | null): boolean {
  const date = value === null ? null : parseHttpDate(value);
  return date !== null && lastModified >= 0 && lastModified > date;
}

/** Whether a list of entity tags, or "*", has the current tag. A malformed rest of the list is ignored. */
function hasTag(list: string, etag: string, comparison: "strong" | "weak"): boolean {
  if (trimBlanks(list) === "*") return true;
  if (etag === "" || (comparison === "strong" && etag.startsWith("W/"))) return false;
  const opaque = etag.startsWith("W/") ? etag.slice(2) : etag;
  // Tags have no double quote inside, but may have commas: quotes are looked for, not commas.
  for (let at = list.indexOf('"'); at !== -1; at = list.indexOf('"', at)) {
    const end = list.indexOf('"', at + 1);
    if (end === -1) return false;
    const isWeak = list.startsWith("W/", at - 2);
    if (list.slice(at, end + 1) === opaque && !(isWeak && comparison === "strong")) return true;
    at = end + 1;
  }
  return false;
}

/** The values of a field, joined as a list; null if the field is not there. */
function fieldList({ names, values }: RequestHead, name: string): string | null {
  const first = names.indexOf(name);
  if (first === -1) return null;
  const found = values.filter((_, index) => names[index] === name);
  return found.join(", ");
}
