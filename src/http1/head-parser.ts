// Parses the head of a request (RFC 9112 §2–§5), in one pass and without I/O. Text is latin-1: one character,
// one byte. A head that does not follow the grammar exactly is refused, never repaired: bare CR and LF, folded
// lines, space before a colon, obsolete forms. For an incomplete head the parser returns null, and the bytes
// wait in a PartialHead (head-reader.ts).

import { ERRORS, RequestFault, type HttpError } from "../http/error.ts";
import { endOf, FIELD_VALUE, hasMember, isAllOf, isBlank, TOKEN } from "../http/grammar.ts";
import {
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  fieldName,
  HOST,
  TRANSFER_ENCODING,
  UPGRADE,
} from "../http/headers.ts";
import type { RequestHead } from "../http/message.ts";
import { headBits } from "../http/request-fields.ts";
import { isValidHost, parseTarget } from "../http/target.ts";
import {
  MAX_FIELDS,
  MAX_HEAD_BYTES,
  MAX_METHOD_BYTES,
  MAX_REQUEST_LINE_BYTES,
} from "../net/connection-limits.ts";
import { bodyLength } from "./request-body.ts";

const CR = 13;
const LF = 10;

/** The limits of a request's head that options change. */
export interface HeadLimits {
  /** Bytes of the request line without CRLF → 414. */
  readonly lineBytes: number;
  /** Bytes of the head from its first to its empty line → 431. */
  readonly headBytes: number;
}

export const HEAD_LIMITS: HeadLimits = {
  lineBytes: MAX_REQUEST_LINE_BYTES,
  headBytes: MAX_HEAD_BYTES,
};

/**
 * Parses heads. One parser serves all connections, because no head outlives a call. The public fields say what
 * the last head means for its connection; the next call overwrites them.
 */
export class HeadParser {
  /** Index of the first byte after the last head. */
  end = 0;
  /** Whether another request may follow on the connection. RFC 9112 §9.3. */
  isPersistent = false;
  /** Whether the client waits for 100 Continue before it sends the body. RFC 9110 §10.1.1. */
  awaitsContinue = false;
  readonly limits: HeadLimits;

  // Of the head that is being read.
  #at = 0;
  #version: "1.0" | "1.1" = "1.1";
  #names: string[] = [];
  #values: string[] = [];
  #kinds = 0;
  #host: string | null = null;
  #contentLength: string | null = null;
  #coding: string | null = null;
  #connection: string | null = null;
  #expect: string | null = null;
  #upgrade: string | null = null;

  constructor(limits = HEAD_LIMITS) {
    this.limits = limits;
  }

  /**
   * Reads the head that begins at `start`; null if the head is incomplete. `scheme`: the connection's. Throws
   * RequestFault.
   */
  parse(text: string, start: number, scheme: "http" | "https" = "http"): RequestHead | null {
    const methodEnd = text.indexOf(" ", start);
    if (methodEnd === -1) return wholeLineOrNull(text, start);
    const method = text.slice(start, methodEnd);
    if (method !== "GET" && method !== "POST") checkMethod(method);
    const targetEnd = text.indexOf(" ", methodEnd + 1);
    if (targetEnd === -1) return wholeLineOrNull(text, start);
    if (targetEnd - start > this.limits.lineBytes) throw fault(ERRORS.TARGET_TOO_LONG);
    const target = text.slice(methodEnd + 1, targetEnd);
    const { path, query, authority } = parseTarget(target, method, scheme);
    if (!this.#readVersion(text, targetEnd + 1)) return null;
    if (this.#at - 2 - start > this.limits.lineBytes) throw fault(ERRORS.TARGET_TOO_LONG);
    if (!this.#readFields(text)) return null;
    if (this.end - start > this.limits.headBytes) throw fault(ERRORS.HEAD_TOO_LARGE);
    this.#checkHost(authority);
    this.#readConnection();
    const length = bodyLength(this.#version, this.#contentLength, this.#coding);
    // Other expectations are ignored (RFC 9110 §10.1.1 lets a server respond with 417).
    this.awaitsContinue =
      this.#expect !== null &&
      this.#version === "1.1" &&
      length !== 0 &&
      hasMember(this.#expect, "100-continue");
    return {
      method,
      target,
      path,
      query,
      version: this.#version,
      names: this.#names,
      values: this.#values,
      fields: headBits(this.#kinds),
      bodyLength: length,
      protocol: this.#upgrade === null ? "" : this.#readProtocol(this.#upgrade),
    };
  }

  /** Reads the version and its CRLF; false if they are incomplete. */
  #readVersion(text: string, at: number): boolean {
    if (text.startsWith("HTTP/1.1\r\n", at)) {
      this.#version = "1.1";
      this.#at = at + 10;
      return true;
    }
    const end = text.indexOf("\r\n", at);
    if (end === -1) {
      if (text.length - at > "HTTP/1.1\r".length) throw fault(ERRORS.VERSION_INVALID);
      return false;
    }
    const version = text.slice(at, end);
    if (!/^HTTP\/[0-9]\.[0-9]$/.test(version)) throw fault(ERRORS.VERSION_INVALID);
    if (version.charCodeAt(5) !== 0x31) throw fault(ERRORS.VERSION_UNSUPPORTED);
    // A higher minor version is read as 1.1. RFC 9110 §2.5.
    this.#version = version === "HTTP/1.0" ? "1.0" : "1.1";
    this.#at = end + 2;
    return true;
  }

  /** Reads all field lines and the empty line; false if they are incomplete. */
  #readFields(text: string): boolean {
    this.#names = [];
    this.#values = [];
    this.#kinds = 0;
    this.#host = null;
    this.#contentLength = null;
    this.#coding = null;
    this.#connection = null;
    this.#expect = null;
    this.#upgrade = null;
    let seen = 0;
    let at = this.#at;
    while (text.charCodeAt(at) !== CR) {
      if (this.#names.length === MAX_FIELDS) throw fault(ERRORS.TOO_MANY_FIELDS);
      const colon = text.indexOf(":", at);
      if (colon === -1) {
        const end = endOf(text, at, TOKEN);
        if (end < text.length) throw nameFault(text, at);
        return false;
      }
      const name = fieldName(text.slice(at, colon));
      if (name === null) throw nameFault(text, at);
      let start = colon + 1;
      while (isBlank(text.charCodeAt(start))) start += 1;
      const end = endOf(text, start, FIELD_VALUE);
      if (end + 1 >= text.length) {
        if (end < text.length && text.charCodeAt(end) !== CR) throw valueFault(text, end);
        return false;
      }
      if (text.charCodeAt(end) !== CR || text.charCodeAt(end + 1) !== LF)
        throw valueFault(text, end);
      let last = end;
      while (last > start && isBlank(text.charCodeAt(last - 1))) last -= 1;
      const value = text.slice(start, last);
      if ((seen & name.once) !== 0) throw fault(ERRORS.FIELD_REPEATED);
      seen |= name.once;
      this.#names.push(name.lower);
      this.#values.push(value);
      if (name.kind !== 0) this.#note(name.kind, value);
      at = end + 2;
    }
    if (at + 1 >= text.length) return false;
    if (text.charCodeAt(at + 1) !== LF) throw fault(ERRORS.LINE_END_INVALID);
    this.end = at + 2;
    return true;
  }

  #note(kind: number, value: string): void {
    this.#kinds |= kind;
    if ((kind & HOST) !== 0) this.#host = value;
    else if ((kind & CONNECTION) !== 0) this.#connection = join(this.#connection, value);
    else if ((kind & CONTENT_LENGTH) !== 0) this.#contentLength = value;
    else if ((kind & TRANSFER_ENCODING) !== 0) this.#coding = join(this.#coding, value);
    else if ((kind & EXPECT) !== 0) this.#expect = join(this.#expect, value);
    else if ((kind & UPGRADE) !== 0) this.#upgrade = join(this.#upgrade, value);
  }

  // The authority of the target replaces Host, which must be valid all the same. RFC 9112 §3.2, §3.2.2.
  #checkHost(authority: string | null): void {
    if (this.#host === null) {
      if (this.#version === "1.1") throw fault(ERRORS.HOST_MISSING);
    } else if (!isValidHost(this.#host)) throw fault(ERRORS.HOST_INVALID);
    if (authority === null) return;
    if (this.#host === null) {
      this.#names.push("host");
      this.#values.push(authority);
      return;
    }
    this.#values[this.#names.indexOf("host")] = authority;
  }

  #readConnection(): void {
    const options = this.#connection;
    if (options === null) this.isPersistent = this.#version === "1.1";
    else if (this.#version === "1.1") this.isPersistent = !hasMember(options, "close");
    else this.isPersistent = hasMember(options, "keep-alive") && !hasMember(options, "close");
  }

  /** Upgrade is ignored in HTTP/1.0, and if Connection does not name it. RFC 9110 §7.8. */
  #readProtocol(upgrade: string): RequestHead["protocol"] {
    if (this.#version !== "1.1" || !hasMember(this.#connection ?? "", "upgrade")) return "";
    return hasMember(upgrade, "websocket") ? "websocket" : "";
  }
}

/** For a request line with a part missing: null if the line is incomplete, else throws its fault. */
function wholeLineOrNull(text: string, start: number): null {
  const lineEnd = text.indexOf("\n", start);
  if (lineEnd !== -1) throw fault(ERRORS.REQUEST_LINE_INVALID);
  if (text.charCodeAt(start) !== CR && endOf(text, start, TOKEN) === start)
    throw fault(ERRORS.METHOD_INVALID);
  return null;
}

function checkMethod(method: string): void {
  if (!isAllOf(method, TOKEN)) throw fault(ERRORS.METHOD_INVALID);
  if (method.length > MAX_METHOD_BYTES) throw fault(ERRORS.METHOD_TOO_LONG);
  // The target of CONNECT has a form that parseTarget does not read.
  if (method === "CONNECT") throw fault(ERRORS.METHOD_CONNECT);
}

/** Returns the fault of a field line that has no token before its first colon. */
function nameFault(text: string, at: number): RequestFault {
  if (isBlank(text.charCodeAt(at))) return fault(ERRORS.FIELD_FOLDED);
  const code = text.charCodeAt(endOf(text, at, TOKEN));
  const isLineEnd = code === LF || (code === CR && !text.includes("\r\n", at));
  return fault(isLineEnd ? ERRORS.LINE_END_INVALID : ERRORS.FIELD_NAME_INVALID);
}

function valueFault(text: string, at: number): RequestFault {
  const code = text.charCodeAt(at);
  return fault(code === CR || code === LF ? ERRORS.LINE_END_INVALID : ERRORS.FIELD_VALUE_INVALID);
}

function fault(error: HttpError): RequestFault {
  return new RequestFault(error);
}

function join(list: string | null, value: string): string {
  return list === null ? value : `${list}, ${value}`;
}
