// Negotiation of permessage-deflate (RFC 7692 §5, §7.1): reads the offers of a handshake and accepts the first
// acceptable one. Pure. The field is the client's, so its length and its extensions have a limit: a handshake
// with more is accepted without compression.

import { isAllOf, TOKEN, trimBlanks } from "../http/grammar.ts";
import { DEFLATE_WINDOW_BITS, MAX_EXTENSION_BYTES, MAX_EXTENSIONS } from "./limits.ts";

const EXTENSION = "permessage-deflate";
/** A window of RFC 7692 §7.1.2: 8 … 15 bits, without a leading zero. */
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/** One offer whose parameters are valid. */
export interface DeflateOffer {
  /** Largest window in which the server may compress; null: any. */
  readonly serverWindowBits: number | null;
  /** Window in which the client compresses; null: not said. */
  readonly clientWindowBits: number | null;
}

/**
 * Reads Sec-WebSocket-Extensions; null: the field is malformed. Offers with unknown or invalid parameters are left
 * out, because they are declined (RFC 7692 §7.1). A field beyond the limits has no offers.
 */
export function parseOffers(field: string): readonly DeflateOffer[] | null {
  if (field.length > MAX_EXTENSION_BYTES) return [];
  // No quoted value holds a comma or a semicolon: it must be a token (RFC 6455 §9.1).
  const extensions = field.split(",");
  if (extensions.length > MAX_EXTENSIONS) return [];
  const offers: DeflateOffer[] = [];
  for (const extension of extensions) {
    const [name = "", ...parameters] = extension.split(";").map(trimBlanks);
    const pairs = parameters.map(readParameter);
    if (!isAllOf(name, TOKEN) || !pairs.every((pair) => pair !== null)) return null;
    const offer = name === EXTENSION ? readOffer(pairs) : null;
    if (offer !== null) offers.push(offer);
  }
  return offers;
}

type Parameter = readonly [name: string, value: string | null];

/** Reads `name`, `name=value` or `name="value"`; null: malformed. */
function readParameter(text: string): Parameter | null {
  const equals = text.indexOf("=");
  if (equals === -1) return isAllOf(text, TOKEN) ? [text, null] : null;
  const name = text.slice(0, equals);
  const given = text.slice(equals + 1);
  const quoted = /^"(.*)"$/.exec(given)?.[1]?.replaceAll(/\\(.)/g, "$1");
  const value = quoted ?? given;
  return isAllOf(name, TOKEN) && isAllOf(value, TOKEN) ? [name, value] : null;
}

/** Null: a parameter is unknown, has no valid value, or comes twice. */
function readOffer(parameters: readonly Parameter[]): DeflateOffer | null {
  if (new Set(parameters.map(([name]) => name)).size < parameters.length) return null;
  let serverWindowBits: number | null = null;
  let clientWindowBits: number | null = null;
  for (const [name, value] of parameters) {
    const bits = value !== null && WINDOW_BITS.test(value) ? Number(value) : null;
    if (name === "server_max_window_bits" && bits !== null) serverWindowBits = bits;
    else if (name === "client_max_window_bits" && (bits !== null || value === null))
      clientWindowBits = bits;
    else if (!/^(?:server|client)_no_context_takeover$/.test(name) || value !== null) return null;
  }
  return { serverWindowBits, clientWindowBits };
}

/** What client and server agree upon. */
export interface DeflateAgreement {
  readonly serverWindowBits: number;
  /** Null: the largest. */
  readonly clientWindowBits: number | null;
  /** Value of Sec-WebSocket-Extensions for the response. */
  readonly field: string;
}

/** Accepts an offer. No context is kept between messages, in either direction. */
export function agreeOn(offer: DeflateOffer): DeflateAgreement {
  const { clientWindowBits } = offer;
  const serverWindowBits = Math.min(offer.serverWindowBits ?? Infinity, DEFLATE_WINDOW_BITS);
  const client = clientWindowBits === null ? "" : `; client_max_window_bits=${clientWindowBits}`;
  const contexts = "server_no_context_takeover; client_no_context_takeover";
  const field = `${EXTENSION}; ${contexts}; server_max_window_bits=${serverWindowBits}${client}`;
  return { serverWindowBits, clientWindowBits, field };
}
