// Heads of requests and responses as plain data (RFC 9110 §6). Protocol engines make RequestHeads, handlers
// make ResponseHeads; neither depends on the HTTP version. Strings are latin-1: every character is one byte, so
// nothing is lost and nothing is decoded twice.

/** Bits of RequestHead.fields: whether fields are present that some part of the server must read. */
export const HAS_FORWARDED = 1; // fields of a proxy: Forwarded, X-Forwarded-…, X-Real-IP …
export const HAS_REQUEST_ID = 2; // X-Request-ID
export const HAS_EXPECT = 4; // Expect
export const HAS_MISTAKABLE = 8; // names with "_", and Proxy
export const HAS_CONDITION = 16; // If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since
export const HAS_RANGE = 32; // Range
export const HAS_CODING = 64; // Accept-Encoding

/** The head of one request, validated and unambiguous. RFC 9112 §3, RFC 9113 §8.3. */
export interface RequestHead {
  /** Token, as sent: case matters. */
  readonly method: string;
  /** The request target as sent (origin-, absolute- or asterisk-form). */
  readonly target: string;
  /** Path as sent, percent-encoded, never empty; "*" for `OPTIONS *`. Holds no encoded NUL. */
  readonly path: string;
  /** The query after the first "?", as sent; "" where there is none. */
  readonly query: string;
  readonly version: "1.0" | "1.1" | "2";
  /** Field names in lower case, in the order received; a repeated field has several entries. */
  readonly names: readonly string[];
  /** Field values without outer whitespace, obs-text kept; the same index as in `names`. */
  readonly values: readonly string[];
  /** HAS_… bits. */
  readonly fields: number;
  /** Length of the body in bytes: 0 = no body, null = unknown until the body has been received. */
  readonly bodyLength: number | null;
  /**
   * The protocol to which the client asks to switch, "" = none. RFC 9110 §7.8 (Upgrade) in HTTP/1.1,
   * RFC 8441 (:protocol) in HTTP/2.
   */
  readonly protocol: "" | "websocket";
}

/**
 * The head of one final response, validated (see response-head.ts): names are tokens, values hold no control
 * characters, there are no connection fields and at most one Content-Length. Must not be changed: engines cache
 * the encoded text of each object.
 */
export interface ResponseHead {
  /** 200 … 599, or 101 for a switch of protocols. */
  readonly status: number;
  /** Reason phrase as the application gave it, "" if none. */
  readonly reason: string;
  /** Field names as the application wrote them. */
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** The application's Content-Length, or null. The field is also in names/values. */
  readonly contentLength: number | null;
  /**
   * Whether the server adds no Date, Server, X-Request-ID, Strict-Transport-Security: the head has the field, or a
   * route removes it.
   */
  readonly hasDate: boolean;
  readonly hasServer: boolean;
  readonly hasRequestId: boolean;
  readonly hasHsts: boolean;
  /** Whether there are fields that tell the server what to do (SERVER_ORDER in headers.ts). */
  readonly hasOrders: boolean;
  /** The application's X-Request-ID, "" if none. The field is also in names/values. */
  readonly requestId: string;
  /**
   * Value of the application's Connection field, "" if none. The field is not sent; HTTP/1.1 closes the
   * connection if the value names "close".
   */
  readonly connection: string;
}

/**
 * The protocol of a request with a minor version, as CGI's grammar has it (RFC 3875 §4.1.16) and logs show it:
 * "HTTP/1.1", "HTTP/2.0".
 */
export function protocolOf({ version }: RequestHead): string {
  return version === "2" ? "HTTP/2.0" : `HTTP/${version}`;
}
