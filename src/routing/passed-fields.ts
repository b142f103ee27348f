// Which fields of a request its application gets. Names that become the CGI variable of another field are left
// out for every interface: a WSGI application may be mounted in an ASGI one. Fields in which a proxy says where a
// request came from are left out for peers that are no trusted proxy. Pure; runs only for heads with such fields.

import { fieldName, FORWARDED, MISTAKABLE, REQUEST_ID } from "../http/headers.ts";
import { HAS_MISTAKABLE, type RequestHead } from "../http/message.ts";

/**
 * What becomes of a name with "_": left out, a reason to refuse the request, or passed on unless "-" in its place
 * makes it a name that the server or a proxy decides by. gunicorn has the same option and words.
 */
export type HeaderMap = "drop" | "refuse" | "dangerous";

interface Rules {
  /** Whether the peer is a trusted proxy. */
  readonly isTrusted: boolean;
  /** Value of Host, if a trusted proxy names another one. */
  readonly host: string | null;
  readonly headerMap: HeaderMap;
}

/** Whether the request has a name with "_". */
export function hasUnderscore({ fields, names }: RequestHead): boolean {
  return (fields & HAS_MISTAKABLE) !== 0 && names.some((name) => name.includes("_"));
}

/** Returns the head with the fields that its application gets. X-Request-ID is left out: each request has an id. */
export function passedHead(head: RequestHead, rules: Rules): RequestHead {
  const names: string[] = [];
  const values: string[] = [];
  for (const [index, name] of head.names.entries()) {
    if (!isPassed(name, rules)) continue;
    names.push(name);
    values.push((name === "host" ? rules.host : null) ?? head.values[index] ?? "");
  }
  return { ...head, names, values };
}

function isPassed(name: string, { isTrusted, headerMap }: Rules): boolean {
  const kind = kindOf(name);
  if ((kind & REQUEST_ID) !== 0 || ((kind & FORWARDED) !== 0 && !isTrusted)) return false;
  if ((kind & MISTAKABLE) === 0) return true;
  return headerMap === "dangerous" && kindOf(name.replaceAll("_", "-")) === 0;
}

function kindOf(name: string): number {
  return fieldName(name)?.kind ?? 0;
}
