// The opening handshake, the server's side: RFC 6455 §4.2 in HTTP/1.1, RFC 8441 §5 in HTTP/2. Pure: reads heads
// of requests, makes heads of responses. A request that does not ask for a WebSocket is an ordinary request,
// whose Upgrade is ignored (RFC 9110 §7.8). A handshake that is wrong is refused, never repaired.

import { createHash } from "node:crypto";

import { ERRORS, type HttpError } from "../http/error.ts";
import { isAllOf, listMembers, TOKEN } from "../http/grammar.ts";
import type { RequestHead, ResponseHead } from "../http/message.ts";
import { responseHead, ResponseFault } from "../http/response-head.ts";
import { parseOffers, type DeflateOffer } from "./deflate-offers.ts";
import { MAX_SUBPROTOCOLS } from "./limits.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION = "13";
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** Fields that the application must not add to the response: the server sends them, or a 101 has none of them. */
const SERVER_FIELD = /^(?:sec-websocket-.*|content-length)$/i;

/** A handshake that can be accepted. */
export interface Handshake {
  readonly kind: "handshake";
  /** Sec-WebSocket-Key; null in HTTP/2, where handshakes have none. */
  readonly key: string | null;
  /** Subprotocols that the client offers, its favourite first. */
  readonly subprotocols: readonly string[];
  readonly deflateOffers: readonly DeflateOffer[];
}

/** The application's part of the response that accepts a handshake. */
export interface Acceptance {
  /** "" = none. */
  readonly subprotocol: string;
  /** Value of Sec-WebSocket-Extensions, "" = none. */
  readonly extensions: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

type Refusal = { readonly kind: "refusal"; readonly error: HttpError };

/** Reads the head of a request as a handshake; null: the client does not ask for a WebSocket. */
export function readHandshake(head: RequestHead): Handshake | Refusal | null {
  if (head.protocol !== "websocket") return null;
  const version = valueOf(head, "sec-websocket-version");
  const key = valueOf(head, "sec-websocket-key");
  if (head.version === "2") {
    if (version !== VERSION) return refuse(ERRORS.WEBSOCKET_VERSION);
    return readLists(head, null);
  }
  if (head.method !== "GET") return refuse(ERRORS.WEBSOCKET_METHOD);
  if (version !== VERSION) return refuse(ERRORS.WEBSOCKET_VERSION);
  if (key === null || !KEY.test(key)) return refuse(ERRORS.WEBSOCKET_KEY);
  if (head.bodyLength !== 0) return refuse(ERRORS.WEBSOCKET_BODY);
  return readLists(head, key);
}

function readLists(head: RequestHead, key: string | null): Handshake | Refusal {
  const subprotocols = listMembers(valueOf(head, "sec-websocket-protocol") ?? "", MAX_SUBPROTOCOLS);
  if (subprotocols === null || !subprotocols.every((name) => isAllOf(name, TOKEN)))
    return refuse(ERRORS.WEBSOCKET_LIST);
  // RFC 6455 §9.1: a malformed Sec-WebSocket-Extensions fails the handshake.
  const extensions = valueOf(head, "sec-websocket-extensions");
  const deflateOffers = extensions === null ? [] : parseOffers(extensions);
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

/**
 * Makes the head of the response that accepts a handshake: 101 in HTTP/1.1; 200 in HTTP/2, which has neither
 * 101 nor Sec-WebSocket-Accept (RFC 8441 §5). Throws ResponseFault if the application's part cannot be sent.
 */
export function acceptanceHead(handshake: Handshake, acceptance: Acceptance): ResponseHead {
  const { key, subprotocols } = handshake;
  const { subprotocol, extensions, fields } = acceptance;
  if (subprotocol !== "" && !subprotocols.includes(subprotocol))
    throw new ResponseFault("the subprotocol is none of those that the client has named");
  const taken = fields.find(([name]) => SERVER_FIELD.test(name));
  if (taken !== undefined)
    throw new ResponseFault(`${taken[0].toLowerCase()} is the server's to send in a handshake`);
  const agreed = [
    ...field("Sec-WebSocket-Protocol", subprotocol),
    ...field("Sec-WebSocket-Extensions", extensions),
    ...fields,
  ];
  if (key === null) return responseHead(200, "OK", agreed);
  const accept = ["Sec-WebSocket-Accept", acceptKey(key)] as const;
  return responseHead(101, "Switching Protocols", [accept, ...agreed]);
}

function field(name: string, value: string): readonly (readonly [string, string])[] {
  return value === "" ? [] : [[name, value]];
}

/** Joins all lines of a field to one list; null: there is no such field. */
function valueOf(head: RequestHead, name: string): string | null {
  const values = head.values.filter((_, index) => head.names[index] === name);
  return values.length === 0 ? null : values.join(", ");
}
