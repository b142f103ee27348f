// The opening handshake, the server's side (RFC 6455 §4.2). Pure: reads heads of requests and makes those
// of answers. What is no handshake is an ordinary request, whose Upgrade is ignored (RFC 9110 §7.8); one
// that cannot be accepted is refused, never repaired.

import { createHash } from "node:crypto";

import { ERRORS, type HttpError } from "../http/error.ts";
import { isAllOf, listMembers, TOKEN } from "../http/grammar.ts";
import type { RequestHead, ResponseHead } from "../http/message.ts";
import { responseHead, ResponseFault } from "../http/response-head.ts";
import { DEFLATE } from "./deflate.ts";
import { extension, type ExtensionOffer } from "./library.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION = "13";
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** Fields of an acceptance that are the server's to send. */
const OURS = /^(?:sec-websocket-.*|content-length)$/i;

/** A handshake that can be accepted. */
export interface Handshake {
  readonly kind: "handshake";
  readonly key: string;
  /** Those that the client would speak, the one that it likes best first. */
  readonly subprotocols: readonly string[];
  readonly deflateOffers: readonly ExtensionOffer[];
}

/** One that cannot. */
export interface Refusal {
  readonly kind: "refusal";
  readonly error: HttpError;
}

/** What the application has accepted a handshake with. */
export interface Acceptance {
  /** "" = none. */
  readonly subprotocol: string;
  /** Value of Sec-WebSocket-Extensions, "" = none. */
  readonly extensions: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Reads a request; null: it is no handshake. */
export function readHandshake(head: RequestHead): Handshake | Refusal | null {
  if (head.protocol !== "websocket") return null;
  if (head.method !== "GET") return refuse(ERRORS.WEBSOCKET_METHOD);
  if (valueOf(head, "sec-websocket-version") !== VERSION) return refuse(ERRORS.WEBSOCKET_VERSION);
  const key = valueOf(head, "sec-websocket-key");
  if (key === null || !KEY.test(key)) return refuse(ERRORS.WEBSOCKET_KEY);
  if (head.bodyLength !== 0) return refuse(ERRORS.WEBSOCKET_BODY);
  const subprotocols = listMembers(valueOf(head, "sec-websocket-protocol") ?? "");
  if (!subprotocols.every((name) => isAllOf(name, TOKEN))) return refuse(ERRORS.WEBSOCKET_LIST);
  const deflateOffers = readOffers(valueOf(head, "sec-websocket-extensions"));
  if (deflateOffers === null) return refuse(ERRORS.WEBSOCKET_LIST);
  return { kind: "handshake", key, subprotocols, deflateOffers };
}

function refuse(error: HttpError): Refusal {
  return { kind: "refusal", error };
}

/** The value of Sec-WebSocket-Accept for a key. RFC 6455 §4.2.2. */
export function acceptKey(key: string): string {
  return createHash("sha1")
    .update(key + GUID)
    .digest("base64");
}

/** The head of the answer that accepts. Throws ResponseFault where the application's part cannot be sent. */
export function acceptanceHead(handshake: Handshake, acceptance: Acceptance): ResponseHead {
  const { subprotocol, extensions, fields } = acceptance;
  if (subprotocol !== "" && !handshake.subprotocols.includes(subprotocol))
    throw new ResponseFault("the subprotocol is none of those that the client has named");
  const taken = fields.find(([name]) => OURS.test(name));
  if (taken !== undefined)
    throw new ResponseFault(`${taken[0].toLowerCase()} is the server's to send in a handshake`);
  return responseHead(101, "Switching Protocols", [
    ["Sec-WebSocket-Accept", acceptKey(handshake.key)],
    ...field("Sec-WebSocket-Protocol", subprotocol),
    ...field("Sec-WebSocket-Extensions", extensions),
    ...fields,
  ]);
}

function field(name: string, value: string): readonly (readonly [string, string])[] {
  return value === "" ? [] : [[name, value]];
}

function readOffers(value: string | null): readonly ExtensionOffer[] | null {
  if (value === null) return [];
  try {
    return extension.parse(value)[DEFLATE] ?? [];
  } catch {
    // RFC 6455 §9.1: a field of another grammar fails the handshake.
    return null;
  }
}

/** All lines of a field as one list; null if there is none. */
function valueOf(head: RequestHead, name: string): string | null {
  const values = head.values.filter((_, index) => head.names[index] === name);
  return values.length === 0 ? null : values.join(", ");
}
