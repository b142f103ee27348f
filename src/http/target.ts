// Reads request targets and Host values (RFC 9112 §3.2, RFC 3986 §3). Pure. No URL parser is used: a value that
// two parsers could read differently is refused. Paths and queries are kept as sent.

import { isIPv6 } from "node:net";

import { ERRORS, RequestFault } from "./error.ts";
import { DIGIT, endOf, HEX, isAllOf, isOf, PATH, QUERY, REG_NAME } from "./grammar.ts";

/** Bytes of a URL that must be encoded in Location; "%" stays, because paths are sent as they came. */
export const UNSAFE_IN_LOCATION = /[^!#$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]/g;

const PERCENT = 0x25;
const MAX_PORT = 65_535;

/** The parts of a request target. */
export interface Target {
  readonly path: string;
  readonly query: string;
  /** Host and port of an absolute-form target; null for the other forms. */
  readonly authority: string | null;
}

/**
 * Reads a request target: origin-form, absolute-form of the connection's `scheme`, or "*" for OPTIONS.
 * Throws TARGET_INVALID or TARGET_SCHEME. RFC 9112 §3.2.
 */
export function parseTarget(
  target: string,
  method: string,
  scheme: "http" | "https" = "http",
): Target {
  if (target.charCodeAt(0) === 0x2f) return splitPath(target, null);
  if (target === "*" && method === "OPTIONS") return { path: "*", query: "", authority: null };
  const named = /^([a-z][a-z0-9+.-]*):\/\//i.exec(target)?.[1];
  if (named === undefined) throw new RequestFault(ERRORS.TARGET_INVALID);
  const start = named.length + 3;
  const end = start + target.slice(start).search(/[/?]|$/);
  const authority = target.slice(start, end);
  if (!isValidHost(authority)) throw new RequestFault(ERRORS.TARGET_INVALID);
  const rest = target.slice(end);
  const parts = splitPath(rest.startsWith("/") ? rest : `/${rest}`, authority);
  // An https URI needs a connection with a certificate for the host; without one the request is misdirected.
  // RFC 9110 §7.4.
  if (named.toLowerCase() !== scheme) throw new RequestFault(ERRORS.TARGET_SCHEME);
  return parts;
}

function splitPath(text: string, authority: string | null): Target {
  const end = endOfPath(text);
  if (end === text.length) return { path: text, query: "", authority };
  if (text.charCodeAt(end) !== 0x3f || endOf(text, end + 1, QUERY) !== text.length)
    throw new RequestFault(ERRORS.TARGET_INVALID);
  return { path: text.slice(0, end), query: text.slice(end + 1), authority };
}

/**
 * Index of the first byte after the path. Each "%" must begin a percent-encoding. An encoded NUL is refused: it
 * has no use, and ends strings in C, file names and fields of NUL-separated records.
 */
function endOfPath(text: string): number {
  const end = endOf(text, 0, PATH);
  for (let at = text.indexOf("%"); at !== -1 && at < end; at = text.indexOf("%", at + 1)) {
    const isEncoding = isHexPair(text, at + 1);
    if (!isEncoding || text.startsWith("00", at + 1)) throw new RequestFault(ERRORS.TARGET_INVALID);
  }
  return end;
}

function isHexPair(text: string, at: number): boolean {
  return (
    at + 1 < text.length && isOf(text.charCodeAt(at), HEX) && isOf(text.charCodeAt(at + 1), HEX)
  );
}

/**
 * Whether a value is a host with an optional port, as in Host and in an authority: not empty, without userinfo.
 * RFC 9110 §7.2, RFC 3986 §3.2.2.
 */
export function isValidHost(value: string): boolean {
  const end = value.charCodeAt(0) === 0x5b ? endOfLiteral(value) : endOfName(value);
  if (end <= 0) return false;
  return end === value.length || isPort(value, end);
}

/** Index after a registered name or IPv4 address; -1 if a percent-encoding is wrong. */
function endOfName(value: string): number {
  let at = endOf(value, 0, REG_NAME);
  while (value.charCodeAt(at) === PERCENT) {
    if (!isHexPair(value, at + 1)) return -1;
    // An encoded control character has no use in a name; a NUL would cut the name.
    const code = Number.parseInt(value.slice(at + 1, at + 3), 16);
    if (code < 0x20 || code === 0x7f) return -1;
    at = endOf(value, at + 3, REG_NAME);
  }
  return at;
}

/** Index after "[…]"; -1 if it holds no address. */
function endOfLiteral(value: string): number {
  const close = value.indexOf("]");
  if (close === -1) return -1;
  const address = value.slice(1, close);
  // A zone ("%eth0") has a meaning on the client's machine only.
  const isAddress = isIPv6(address) && !address.includes("%");
  return isAddress || isFutureAddress(address) ? close + 1 : -1;
}

/** IPvFuture: "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ). RFC 3986 §3.2.2. */
function isFutureAddress(text: string): boolean {
  const dot = text.indexOf(".");
  if (dot === -1 || (text[0] !== "v" && text[0] !== "V")) return false;
  return (
    isAllOf(text.slice(1, dot), HEX) && isAllOf(text.slice(dot + 1).replaceAll(":", "-"), REG_NAME)
  );
}

/** Whether the text from `at` to the end is ":", or ":" and a port of at most 65535. */
function isPort(value: string, at: number): boolean {
  if (value.charCodeAt(at) !== 0x3a) return false;
  if (endOf(value, at + 1, DIGIT) !== value.length) return false;
  return Number(value.slice(at + 1)) <= MAX_PORT;
}

/** A latin-1 character, which is one byte, as "%" and two digits (RFC 3986 §2.1): "\u00c3" → "%C3". */
export function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
