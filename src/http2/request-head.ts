// The fields of a HEADERS block as the head of a request (RFC 9113 §8.2, §8.3; RFC 8441 §4). Pure. What HTTP/1.1
// refuses is refused here too, and by the same rules; nothing is repaired. A request that RFC 9113 calls malformed
// is a MalformedRequest, which ends its stream; any other fault gets a response.

import { ERRORS, RequestFault } from "../http/error.ts";
import { endOf, FIELD_VALUE, hasMember, isAllOf, hasOuterBlanks, TOKEN } from "../http/grammar.ts";
import {
  CONTENT_LENGTH,
  EXPECT,
  type FieldName,
  HOP_BY_HOP,
  HOST,
  NOT_IN_TRAILER,
} from "../http/headers.ts";
import type { RequestHead } from "../http/message.ts";
import { headBits, readContentLength } from "../http/request-fields.ts";
import { isValidHost, parseTarget } from "../http/target.ts";
import { MAX_FIELDS, MAX_METHOD_BYTES } from "../net/connection-limits.ts";
import type { HeaderField } from "./hpack-tables.ts";
import { DEFAULT_PRIORITY, type Priority, readPriority } from "./priority.ts";

/** What a request line has besides method and target: two blanks and the version. */
const LINE_OVERHEAD_BYTES = " ".length + " HTTP/1.1".length;
const COLON = 0x3a;

/** A request that must end with a stream error of type PROTOCOL_ERROR (RFC 9113 §8.1.1). */
export class MalformedRequest extends RequestFault {}

/** A request's head, and what it means for its stream. */
export interface StreamHead {
  readonly head: RequestHead;
  /** Whether the client waits for 100 Continue before it sends the body. RFC 9110 §10.1.1. */
  readonly awaitsContinue: boolean;
  readonly priority: Priority;
}

export interface HeadRules {
  /** The connection's. */
  readonly scheme: "http" | "https";
  /** Bytes of a request line → 414. */
  readonly lineBytes: number;
}

/** Pseudo-header fields as sent; null = missing. */
interface Pseudo {
  method: string | null;
  scheme: string | null;
  authority: string | null;
  path: string | null;
  protocol: string | null;
}

/** Reads the head of a request. `isLast`: no body follows. Throws RequestFault, MalformedRequest. */
export function readHead(
  fields: readonly HeaderField[],
  isLast: boolean,
  { scheme, lineBytes }: HeadRules,
): StreamHead {
  const pseudo = { method: null, scheme: null, authority: null, path: null, protocol: null };
  const start = readPseudo(fields, pseudo);
  const names: string[] = [];
  const values: string[] = [];
  const state = { kinds: 0, seen: 0, length: -1, expect: "", cookie: -1, host: -1 };
  let priority = DEFAULT_PRIORITY;
  for (let i = start; i < fields.length; i += 1) {
    const field = fields[i];
    if (field === undefined) break;
    const { value } = field;
    const known = checkedName(field);
    checkValue(value);
    if ((state.seen & known.once) !== 0) throw new RequestFault(ERRORS.FIELD_REPEATED);
    state.seen |= known.once;
    if (known.lower === "cookie") {
      // Crumbs of one field. RFC 9113 §8.2.3.
      if (state.cookie >= 0) {
        const crumbs = values[state.cookie] ?? "";
        // An empty crumb would leave a space at the end, which no field value has.
        if (crumbs === "") values[state.cookie] = value;
        else if (value !== "") values[state.cookie] = `${crumbs}; ${value}`;
        continue;
      }
      state.cookie = names.length;
    } else if (known.lower === "priority") priority = readPriority(value);
    if (names.length === MAX_FIELDS) throw new RequestFault(ERRORS.TOO_MANY_FIELDS);
    if (known.kind !== 0) {
      checkKind(known, value);
      state.kinds |= known.kind;
      if ((known.kind & CONTENT_LENGTH) !== 0) state.length = readContentLength(value);
      else if ((known.kind & EXPECT) !== 0) state.expect += `,${value}`;
      else if ((known.kind & HOST) !== 0) state.host = names.length;
    }
    names.push(known.lower);
    values.push(value);
  }
  const line = readLine(pseudo, scheme, lineBytes);
  const authority = readAuthority(pseudo.authority, values[state.host] ?? null);
  if (state.host === -1) {
    if (names.length === MAX_FIELDS) throw new RequestFault(ERRORS.TOO_MANY_FIELDS);
    names.push("host");
    values.push(authority);
  } else values[state.host] = authority;
  const bodyLength = readLength(state.length, isLast, line.protocol !== "");
  const head: RequestHead = {
    ...line,
    version: "2",
    names,
    values,
    fields: headBits(state.kinds),
    bodyLength,
  };
  const awaitsContinue =
    state.expect !== "" && bodyLength !== 0 && hasMember(state.expect, "100-continue");
  return { head, awaitsContinue, priority };
}

/** Checks the fields behind a body, which are dropped. Throws RequestFault, MalformedRequest. */
export function checkTrailers(fields: readonly HeaderField[]): void {
  if (fields.length > MAX_FIELDS) throw new RequestFault(ERRORS.TOO_MANY_FIELDS);
  for (const field of fields) {
    const known = checkedName(field);
    checkValue(field.value);
    if ((known.kind & NOT_IN_TRAILER) !== 0)
      throw new RequestFault(ERRORS.FIELD_FORBIDDEN_IN_TRAILER);
  }
}

/** Reads the pseudo-header fields; returns the index of the first other field. */
function readPseudo(fields: readonly HeaderField[], pseudo: Pseudo): number {
  let at = 0;
  for (; at < fields.length; at += 1) {
    const field = fields[at];
    if (field === undefined || field.name.charCodeAt(0) !== COLON) break;
    const { name, value } = field;
    if (name === ":method" && pseudo.method === null) pseudo.method = value;
    else if (name === ":scheme" && pseudo.scheme === null) pseudo.scheme = value;
    else if (name === ":path" && pseudo.path === null) pseudo.path = value;
    else if (name === ":authority" && pseudo.authority === null) pseudo.authority = value;
    else if (name === ":protocol" && pseudo.protocol === null) pseudo.protocol = value;
    else throw new MalformedRequest(ERRORS.PSEUDO_FIELD_INVALID);
  }
  return at;
}

function checkedName({ name, known }: HeaderField): FieldName {
  if (known !== null && known.lower === name) return known;
  const isPseudo = name.charCodeAt(0) === COLON;
  throw new MalformedRequest(isPseudo ? ERRORS.PSEUDO_FIELD_INVALID : ERRORS.FIELD_NAME_INVALID);
}

/** RFC 9113 §8.2.1: no blank at either end. */
function checkValue(value: string): void {
  const isClean = endOf(value, 0, FIELD_VALUE) === value.length && !hasOuterBlanks(value);
  if (!isClean) throw new MalformedRequest(ERRORS.FIELD_VALUE_INVALID);
}

/** Fields of a connection have no place in HTTP/2. RFC 9113 §8.2.2. */
function checkKind({ lower, kind }: FieldName, value: string): void {
  if ((kind & HOP_BY_HOP) === 0) return;
  if (lower === "te" && value.toLowerCase() === "trailers") return;
  // Meant for a proxy, and harmless: HTTP/1.1 passes them too.
  if (lower === "proxy-authorization" || lower === "proxy-authenticate" || lower === "trailers")
    return;
  throw new MalformedRequest(ERRORS.FIELD_OF_CONNECTION);
}

type Line = Pick<RequestHead, "method" | "target" | "path" | "query" | "protocol">;

/** Reads method, path and protocol, as a request line would have them. */
function readLine(pseudo: Pseudo, scheme: "http" | "https", lineBytes: number): Line {
  const { method, path, protocol } = pseudo;
  if (method === null) throw new MalformedRequest(ERRORS.PSEUDO_FIELD_INVALID);
  if (method !== "GET" && method !== "POST") checkMethod(method, pseudo);
  if (pseudo.scheme === null || path === null || path === "")
    throw new MalformedRequest(ERRORS.PSEUDO_FIELD_INVALID);
  if (protocol !== null && method !== "CONNECT")
    throw new MalformedRequest(ERRORS.PSEUDO_FIELD_INVALID);
  checkScheme(pseudo.scheme, scheme);
  if (method.length + path.length + LINE_OVERHEAD_BYTES > lineBytes)
    throw new RequestFault(ERRORS.TARGET_TOO_LONG);
  // parseTarget would also take a whole URI.
  if (path.charCodeAt(0) !== 0x2f && !(path === "*" && method === "OPTIONS"))
    throw new RequestFault(ERRORS.TARGET_INVALID);
  const { query, path: plain } = parseTarget(path, method);
  return { method, target: path, path: plain, query, protocol: readProtocol(protocol) };
}

function checkMethod(method: string, { path, scheme, protocol, authority }: Pseudo): void {
  if (!isAllOf(method, TOKEN)) throw new MalformedRequest(ERRORS.METHOD_INVALID);
  if (method.length > MAX_METHOD_BYTES) throw new RequestFault(ERRORS.METHOD_TOO_LONG);
  if (method !== "CONNECT" || protocol !== null) return;
  // RFC 9113 §8.5.
  if (path !== null || scheme !== null || authority === null)
    throw new MalformedRequest(ERRORS.PSEUDO_FIELD_INVALID);
  throw new RequestFault(ERRORS.METHOD_CONNECT);
}

function readProtocol(protocol: string | null): RequestHead["protocol"] {
  if (protocol === null) return "";
  if (protocol.toLowerCase() === "websocket") return "websocket";
  // RFC 8441 §4 names no error for other protocols; RFC 9220 has 501.
  throw new RequestFault(ERRORS.METHOD_CONNECT);
}

/**
 * A connection with TLS carries https only. Without TLS a proxy in front may have ended it, so that https is not
 * wrong; what the scheme is, only a trusted proxy's field says (routing/trusted-proxies.ts).
 */
function checkScheme(scheme: string, own: "http" | "https"): void {
  const lower = scheme.toLowerCase();
  if (lower !== own && !(own === "http" && lower === "https"))
    throw new RequestFault(ERRORS.TARGET_SCHEME);
}

/** Returns the host of :authority and Host, which must agree where both are. RFC 9113 §8.3.1. */
function readAuthority(authority: string | null, host: string | null): string {
  const named = authority ?? host;
  if (named === null) throw new RequestFault(ERRORS.HOST_MISSING);
  if (!isValidHost(named)) throw new RequestFault(ERRORS.HOST_INVALID);
  if (host !== null && host !== named && host.toLowerCase() !== named.toLowerCase())
    throw new MalformedRequest(ERRORS.HOST_DIFFERS);
  return named;
}

/** `stated`: Content-Length, -1 = none. The bytes of a tunnel are no body. */
function readLength(stated: number, isLast: boolean, isTunnel: boolean): number | null {
  if (isTunnel) {
    if (stated > 0) throw new MalformedRequest(ERRORS.BODY_LENGTH_DIFFERS);
    return 0;
  }
  if (isLast && stated > 0) throw new MalformedRequest(ERRORS.BODY_LENGTH_DIFFERS);
  if (isLast) return 0;
  return stated === -1 ? null : stated;
}
