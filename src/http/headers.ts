// Field names and what the server must know of each: whether a field may be repeated, whether it frames or
// routes the message, whether an application may set it. Names are interned: a look-up returns one shared
// lower-case string, so a head allocates no names. Pure, except for the bounded cache.

import { isAllOf, TOKEN } from "./grammar.ts";

// Kinds, as bits of FieldName.kind.
export const HOST = 1;
export const CONTENT_LENGTH = 2;
export const TRANSFER_ENCODING = 4;
export const CONNECTION = 8;
export const EXPECT = 16;
export const UPGRADE = 32;
/** A field in which a proxy says where a request came from: client, scheme, host, port, prefix, user. */
export const FORWARDED = 64;
export const REQUEST_ID = 128;
/** A field of one connection, which an application may not send. RFC 9110 §7.6.1, PEP 3333. */
export const HOP_BY_HOP = 256;
export const DATE = 512;
export const SERVER = 1024;
/** A field that is needed before the body, so it must not be a trailer. RFC 9110 §6.5.1. */
export const NOT_IN_TRAILER = 2048;
/** A field that says what to do with a response, so it must not be a trailer. RFC 9110 §6.5.1. */
export const RESPONSE_CONTROL = 4096;
/**
 * A name that becomes the CGI variable of another meaning (RFC 3875 §4.1.18): names with "_" (`X_A` and `X-A` are
 * both HTTP_X_A), and Proxy (many programs read HTTP_PROXY as a setting). WSGI names fields in this way, and so
 * does a WSGI application that is mounted in an ASGI one.
 */
export const MISTAKABLE = 8192;
/** A precondition (RFC 9110 §13.1), but If-Range, which is nothing without Range. */
export const CONDITION = 16_384;
export const RANGE = 32_768;
export const ACCEPT_ENCODING = 65_536;

/**
 * A field by which an application tells the server in front of it what to do with the response (X-Sendfile of
 * Apache and lighttpd, nginx's X-Accel-…). X-Accel-Buffering is not among them: whoever is in front may read it.
 */
export const SERVER_ORDER = 131_072;
export const HSTS = 262_144;

/** A valid field name. */
export interface FieldName {
  readonly lower: string;
  /** Bits of the kinds above. */
  readonly kind: number;
  /** One bit for each field that may be only once in a request; 0 for other fields. */
  readonly once: number;
}

/** Most names in the cache; an application uses some hundred. The names of the tables are always cached. */
const MAX_CACHED_NAMES = 2048;
const MAX_CACHED_NAME_LENGTH = 64;

/** The names of each kind. */
const KINDS: ReadonlyMap<string, number> = kindsOf([
  [HOST, "host"],
  [CONTENT_LENGTH, "content-length"],
  [TRANSFER_ENCODING, "transfer-encoding"],
  [CONNECTION, "connection"],
  [EXPECT, "expect"],
  [UPGRADE, "upgrade"],
  [
    FORWARDED,
    `forwarded cf-connecting-ip client-ip fastly-client-ip fly-client-ip forwarded-for front-end-https
    true-client-ip x-azure-clientip x-client-ip x-cluster-client-ip x-envoy-external-address
    x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix x-forwarded-proto
    x-original-forwarded-for x-original-host x-real-ip x-real-port x-scheme x-script-name x-url-scheme`,
  ],
  [MISTAKABLE, "proxy"],
  [CONDITION, "if-match if-none-match if-modified-since if-unmodified-since"],
  [RANGE, "range"],
  [ACCEPT_ENCODING, "accept-encoding"],
  [SERVER_ORDER, "x-sendfile x-accel-redirect x-accel-expires x-accel-limit-rate x-accel-charset"],
  [REQUEST_ID, "x-request-id"],
  [DATE, "date"],
  [SERVER, "server"],
  [HSTS, "strict-transport-security"],
  [
    HOP_BY_HOP,
    `connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailers
    transfer-encoding upgrade`,
  ],
  [
    NOT_IN_TRAILER,
    `authorization cache-control connection content-encoding content-length content-range content-type
    cookie expect host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive
    max-forwards pragma proxy-authorization proxy-connection range set-cookie te trailer
    transfer-encoding upgrade`,
  ],
  [RESPONSE_CONTROL, "age date expires location retry-after vary warning www-authenticate"],
]);

// Fields with a single value. If such a field is repeated, one program takes the first value, one the last, and
// one joins them. User-Agent, Referer and the like are left out, because no program decides by them.
const ONCE: readonly string[] = words(
  `host content-length content-type content-range content-location authorization proxy-authorization range
  if-range if-modified-since if-unmodified-since max-forwards origin sec-websocket-key
  sec-websocket-version`,
);

// The names that clients and applications send most. They are always cached, whatever other names come.
const COMMON: readonly string[] = words(
  `Accept Accept-Charset Accept-Encoding Accept-Language Accept-Ranges Access-Control-Allow-Origin
  Access-Control-Request-Headers Access-Control-Request-Method Age Allow Content-Disposition
  Content-Language DNT ETag Expires From Last-Modified Link Location Priority Referer Referrer-Policy
  Retry-After Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Strict-Transport-Security
  Upgrade-Insecure-Requests User-Agent Vary Via WWW-Authenticate X-Content-Type-Options X-CSRFToken
  X-Frame-Options X-Requested-With`,
);

const cache = new Map<string, FieldName>();
for (const name of [...KINDS.keys(), ...ONCE, ...COMMON]) seed(name);

function words(text: string): readonly string[] {
  return text.split(/\s+/);
}

function kindsOf(rows: readonly (readonly [kind: number, names: string])[]): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const [kind, names] of rows)
    for (const name of words(names)) kinds.set(name, (kinds.get(name) ?? 0) | kind);
  return kinds;
}

/** Reads a field name as sent; null if it is no token. */
export function fieldName(raw: string): FieldName | null {
  const known = cache.get(raw);
  if (known !== undefined) return known;
  return isAllOf(raw, TOKEN) ? remember(raw) : null;
}

// Every name that begins with X-Forwarded is a proxy's word: -Ssl, -Server, -User, -Client-Cert …
function kindOf(lower: string): number {
  const forwarded = lower.startsWith("x-forwarded") ? FORWARDED : 0;
  const mistakable = lower.includes("_") ? MISTAKABLE : 0;
  return (KINDS.get(lower) ?? 0) | forwarded | mistakable;
}

function seed(name: string): void {
  const lower = name.toLowerCase();
  remember(lower);
  remember(name);
  remember(lower.replaceAll(/(^|-)[a-z]/g, (letters) => letters.toUpperCase()));
}

function remember(raw: string): FieldName {
  const lower = raw.toLowerCase();
  const known = cache.get(lower);
  const name = known ?? {
    lower,
    kind: kindOf(lower),
    once: ONCE.includes(lower) ? 1 << ONCE.indexOf(lower) : 0,
  };
  if (cache.size < MAX_CACHED_NAMES && raw.length <= MAX_CACHED_NAME_LENGTH) {
    // `raw` is a slice that keeps the text of its whole head in memory, so a copy is cached.
    cache.set(Buffer.from(raw, "latin1").toString("latin1"), name);
  }
  return name;
}
