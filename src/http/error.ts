// The one table of errors that clients can be answered with. The text says what was wrong and what
// would be right; it never carries a header's value or a path. docs/errors.md is held to this table
// by a test. `closes`: the message cannot be trusted to end where it seems to, or more of it is on its
// way, so that nothing after it on the same connection may be read as a request.

/** An error of the table: `code` is stable and goes to the log, `text` goes to the client. */
export interface HttpError {
  readonly code: string;
  readonly status: number;
  readonly text: string;
  /** Whether the connection ends with this answer. */
  readonly closes: boolean;
  /** Seconds for Retry-After; 0 = no such field. */
  readonly retryAfter: number;
  /** Value of Allow; "" = no such field. */
  readonly allow: string;
  /** Whether it says which WebSocket is spoken here (RFC 6455 §4.4, RFC 9110 §15.5.22). */
  readonly offersWebSocket: boolean;
}

/** A request that is refused while it is read; carries its entry of the table. */
export class RequestFault extends Error {
  readonly error: HttpError;

  constructor(error: HttpError) {
    super(error.code);
    this.error = error;
  }
}

/** Methods that the front lets through everywhere; named in Allow where it answers itself. */
export const ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** The client's message: refused, and the connection ends. */
function refuse(code: string, status: number, text: string): HttpError {
  return { code, status, text, closes: true, retryAfter: 0, allow: "", offersWebSocket: false };
}

/** Our side's failure on a whole request: the connection may go on. */
function failure(code: string, status: number, text: string, retryAfter = 0): HttpError {
  return { code, status, text, closes: false, retryAfter, allow: "", offersWebSocket: false };
}

/** All errors, by code. */
export const ERRORS = {
  REQUEST_LINE_INVALID: refuse(
    "REQUEST_LINE_INVALID",
    400,
    "The request line must be METHOD SP TARGET SP HTTP/1.1 CRLF.",
  ),
  LINE_END_INVALID: refuse(
    "LINE_END_INVALID",
    400,
    "Lines must end with CRLF; CR or LF alone is not a line end.",
  ),
  METHOD_INVALID: refuse("METHOD_INVALID", 400, "The method must be a token."),
  METHOD_TOO_LONG: refuse("METHOD_TOO_LONG", 501, "The method is longer than any that is known."),
  METHOD_CONNECT: refuse("METHOD_CONNECT", 501, "This server is no proxy: CONNECT is not served."),
  METHOD_TRACE: {
    ...failure("METHOD_TRACE", 405, "TRACE is not served: it would show fields meant for nobody."),
    allow: ALLOWED_METHODS,
  },
  TARGET_INVALID: refuse(
    "TARGET_INVALID",
    400,
    "The request target must be a path that begins with / or an http URI; other bytes than a URI may hold must be percent-encoded, and an encoded NUL is not served.",
  ),
  TARGET_TOO_LONG: refuse("TARGET_TOO_LONG", 414, "The request line is too long."),
  TARGET_SCHEME: refuse(
    "TARGET_SCHEME",
    421,
    "This connection serves http URIs only; the request target names another scheme.",
  ),
  VERSION_INVALID: refuse("VERSION_INVALID", 400, "The version must be HTTP/1.1 or HTTP/1.0."),
  VERSION_UNSUPPORTED: refuse(
    "VERSION_UNSUPPORTED",
    505,
    "This connection serves HTTP/1.1 and HTTP/1.0.",
  ),
  HOST_MISSING: refuse("HOST_MISSING", 400, "An HTTP/1.1 request needs a Host field."),
  HOST_INVALID: refuse(
    "HOST_INVALID",
    400,
    "Host must be a name or an address with an optional port.",
  ),
  FIELD_NAME_INVALID: refuse(
    "FIELD_NAME_INVALID",
    400,
    "A field line must begin with a token followed at once by a colon.",
  ),
  FIELD_VALUE_INVALID: refuse(
    "FIELD_VALUE_INVALID",
    400,
    "A field value must not hold control characters.",
  ),
  FIELD_FOLDED: refuse("FIELD_FOLDED", 400, "A field line must not begin with whitespace."),
  FIELD_REPEATED: refuse(
    "FIELD_REPEATED",
    400,
    "A field that may stand once (Host, Content-Length, Content-Type, Authorization …) is repeated.",
  ),
  FIELD_FORBIDDEN_IN_TRAILER: refuse(
    "FIELD_FORBIDDEN_IN_TRAILER",
    400,
    "A trailer must not hold fields of framing, routing or authentication.",
  ),
  HEAD_TOO_LARGE: refuse("HEAD_TOO_LARGE", 431, "The head or the trailers hold too many bytes."),
  TOO_MANY_FIELDS: refuse("TOO_MANY_FIELDS", 431, "The head or the trailers hold too many fields."),
  CONTENT_LENGTH_INVALID: refuse(
    "CONTENT_LENGTH_INVALID",
    400,
    "Content-Length must be one decimal number.",
  ),
  LENGTH_AND_CODING: refuse(
    "LENGTH_AND_CODING",
    400,
    "A message must not have both Content-Length and Transfer-Encoding.",
  ),
  CODING_INVALID: refuse(
    "CODING_INVALID",
    400,
    "Transfer-Encoding must be a list of codings with chunked once, at its end.",
  ),
  CODING_UNSUPPORTED: refuse("CODING_UNSUPPORTED", 501, "The only transfer coding is chunked."),
  CODING_IN_HTTP_10: refuse(
    "CODING_IN_HTTP_10",
    400,
    "An HTTP/1.0 request must not have Transfer-Encoding.",
  ),
  CHUNK_SIZE_INVALID: refuse(
    "CHUNK_SIZE_INVALID",
    400,
    "A chunk must begin with its size in hexadecimal digits and CRLF.",
  ),
  CHUNK_EXTENSION_INVALID: refuse(
    "CHUNK_EXTENSION_INVALID",
    400,
    'A chunk extension must be ;name or ;name=value or ;name="value".',
  ),
  CHUNK_EXTENSIONS_TOO_LARGE: refuse(
    "CHUNK_EXTENSIONS_TOO_LARGE",
    400,
    "The chunk extensions of one request hold too many bytes.",
  ),
  CHUNK_END_INVALID: refuse("CHUNK_END_INVALID", 400, "The bytes of a chunk must end with CRLF."),
  BODY_TOO_LARGE: refuse("BODY_TOO_LARGE", 413, "The body is larger than this server takes."),
  BODY_INCOMPLETE: refuse(
    "BODY_INCOMPLETE",
    400,
    "The connection ended before the body was whole.",
  ),
  HEAD_TIMEOUT: refuse("HEAD_TIMEOUT", 408, "The head of the request did not come in time."),
  BODY_TIMEOUT: refuse("BODY_TIMEOUT", 408, "The body of the request comes too slowly."),
  WEBSOCKET_METHOD: {
    ...refuse("WEBSOCKET_METHOD", 405, "A WebSocket handshake is a GET request."),
    allow: "GET",
  },
  WEBSOCKET_VERSION: {
    ...refuse("WEBSOCKET_VERSION", 426, "Sec-WebSocket-Version must be 13."),
    offersWebSocket: true,
  },
  WEBSOCKET_KEY: refuse("WEBSOCKET_KEY", 400, "Sec-WebSocket-Key must be 16 bytes in base64."),
  WEBSOCKET_BODY: refuse("WEBSOCKET_BODY", 400, "A WebSocket handshake has no body."),
  WEBSOCKET_LIST: refuse(
    "WEBSOCKET_LIST",
    400,
    "Sec-WebSocket-Protocol must be a list of tokens, Sec-WebSocket-Extensions one of extensions.",
  ),
  WEBSOCKET_DENIED: refuse("WEBSOCKET_DENIED", 403, "The application has denied the WebSocket."),
  NOT_FOUND: failure("NOT_FOUND", 404, "Nothing is served at this path."),
  HOST_UNKNOWN: failure("HOST_UNKNOWN", 421, "This server does not serve the host of the request."),
  SERVER_FAULT: failure("SERVER_FAULT", 500, "The server failed."),
  APPLICATION_ERROR: failure("APPLICATION_ERROR", 500, "The application failed."),
  RESPONSE_INVALID: failure(
    "RESPONSE_INVALID",
    500,
    "The application gave an answer that cannot be sent.",
  ),
  WORKER_DIED: failure("WORKER_DIED", 502, "The process that ran this request ended."),
  QUEUE_FULL: failure("QUEUE_FULL", 503, "Too many requests wait; try again later.", 1),
  QUEUE_TIMEOUT: failure("QUEUE_TIMEOUT", 503, "The request waited too long; try again later.", 1),
  OVERLOADED: failure(
    "OVERLOADED",
    503,
    "More requests come than can be answered in time; try again later.",
    2,
  ),
  NO_WORKERS: failure("NO_WORKERS", 503, "The application does not run; try again later.", 5),
  STOPPING: { ...failure("STOPPING", 503, "The server is stopping.", 1), closes: true },
  NO_DESCRIPTORS: {
    ...failure("NO_DESCRIPTORS", 503, "Too many connections are open; try again later.", 1),
    closes: true,
  },
  DEADLINE: failure("DEADLINE", 504, "The application did not answer in time."),
  SPILL_FAILED: failure("SPILL_FAILED", 507, "The server has no room for this message."),
} as const satisfies Readonly<Record<string, HttpError>>;
