// Makes and checks the heads of all responses, those of handlers and those of the server itself. A character
// that could split or change the message is a fault, whatever the HTTP version. Pure.

import { DIGIT, endOf, FIELD_VALUE, hasOuterBlanks, isAllOf, trimBlanks } from "./grammar.ts";
import {
  CONTENT_LENGTH,
  DATE,
  fieldName,
  HOP_BY_HOP,
  HSTS,
  REQUEST_ID,
  SERVER,
  SERVER_ORDER,
} from "./headers.ts";
import type { ResponseHead } from "./message.ts";

/** Most fields of one response; browsers and proxies accept about as many. */
export const MAX_RESPONSE_FIELDS = 256;
const MAX_QUOTED_CHARACTERS = 60;
const LIVE_TYPES: ReadonlySet<string> = new Set(["multipart/x-mixed-replace", "text/event-stream"]);

/** A response that must not be sent; the message names the fault for the log, bytes escaped. */
export class ResponseFault extends Error {}

/** Makes a head from pairs of names and values. Throws ResponseFault. */
export function responseHead(
  status: number,
  reason: string,
  fields: readonly (readonly [name: string, value: string])[],
): ResponseHead {
  const names = fields.map(([name]) => name);
  const values = fields.map(([, value]) => value);
  return checkedHead(status, reason, { names, values });
}

/**
 * Makes a head from names and values with equal indexes, without the blanks around values. `connection`: the value
 * of a Connection field that is not among them, "" if there was none. Throws ResponseFault.
 */
export function checkedHead(
  status: number,
  reason: string,
  { names, values }: Pick<ResponseHead, "names" | "values">,
  connection = "",
): ResponseHead {
  if (!isFieldValue(reason))
    throw new ResponseFault(`the reason ${quote(reason)} holds control characters`);
  if (names.length > MAX_RESPONSE_FIELDS)
    throw new ResponseFault(`${names.length} fields are more than ${MAX_RESPONSE_FIELDS}`);
  let contentLength: number | null = null;
  let requestId = "";
  let kinds = 0;
  let isPadded = false;
  for (let i = 0; i < names.length; i += 1) {
    const value = values[i] ?? "";
    const kind = checkField(names[i] ?? "", value);
    if ((kind & CONTENT_LENGTH) !== 0) {
      if (contentLength !== null) throw new ResponseFault("there are two Content-Length fields");
      contentLength = readContentLength(trimBlanks(value));
    }
    if ((kind & REQUEST_ID) !== 0) requestId = trimBlanks(value);
    kinds |= kind;
    isPadded ||= hasOuterBlanks(value);
  }
  return {
    status,
    reason,
    names,
    values: isPadded ? values.map(trimBlanks) : values,
    contentLength,
    hasDate: (kinds & DATE) !== 0,
    hasServer: (kinds & SERVER) !== 0,
    hasRequestId: (kinds & REQUEST_ID) !== 0,
    hasHsts: (kinds & HSTS) !== 0,
    hasOrders: (kinds & SERVER_ORDER) !== 0,
    requestId,
    connection,
  };
}

/** Whether a response to this method with this status has a body on the wire. RFC 9110 §6.4.1. */
export function mayHaveBody(method: string, status: number): boolean {
  return method !== "HEAD" && status !== 204 && status !== 304;
}

/**
 * Whether a response is of use only while it is new, so that it must not wait in a buffer: `X-Accel-Buffering:
 * no` says so (the habit that nginx has taught; "yes" says the opposite), and events and pictures that replace
 * one another are it.
 */
export function isLive({ names, values }: Pick<ResponseHead, "names" | "values">): boolean {
  const of = (name: string): string =>
    values[names.findLastIndex((one) => one.toLowerCase() === name)]?.toLowerCase() ?? "";
  const buffering = of("x-accel-buffering");
  if (buffering === "no" || buffering === "yes") return buffering === "no";
  const [type = ""] = of("content-type").split(";", 1);
  return LIVE_TYPES.has(type.trim());
}

/** Returns the kind of a field that may be sent (headers.ts). Throws ResponseFault. */
export function checkField(name: string, value: string): number {
  const field = fieldName(name);
  if (field === null) throw new ResponseFault(`the field name ${quote(name)} is not a token`);
  if ((field.kind & HOP_BY_HOP) !== 0)
    throw new ResponseFault(`${field.lower} is the server's to send (hop-by-hop)`);
  if (!isFieldValue(value))
    throw new ResponseFault(`the value of ${name} holds control characters: ${quote(value)}`);
  return field.kind;
}

function isFieldValue(value: string): boolean {
  return endOf(value, 0, FIELD_VALUE) === value.length;
}

function readContentLength(value: string): number {
  const length = isAllOf(value, DIGIT) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length))
    throw new ResponseFault(`Content-Length ${quote(value)} is not a decimal number`);
  return length;
}

/** Quotes a text for a log line: printable ASCII unchanged, all other characters escaped, shortened. */
export function quote(text: string): string {
  const start = text.slice(0, MAX_QUOTED_CHARACTERS);
  const escaped = start.replaceAll(
    /[^ !#-[\]-~]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return start.length < text.length ? `"${escaped}…"` : `"${escaped}"`;
}
