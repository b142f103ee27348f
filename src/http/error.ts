// The table of all errors that a client can get as a response. A text says what was wrong and what would be
// right; it never contains a header's value or a path. A test compares docs/errors.md with this table.

import type { ResponseHead } from "./message.ts";
import { responseHead } from "./response-head.ts";
import { reasonPhrase } from "./status.ts";

/** An error of the table: `code` is stable and goes to the log, `text` goes to the client. */
export interface HttpError {
  readonly code: string;
  readonly status: number;
  readonly text: string;
  /** Fields of this error's response, besides the fields of every error response. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

type Unnamed = HttpError & { code: string };

/** Thrown when a request is refused while it is read; carries the error of the table. */
export class RequestFault extends Error {
  readonly error: HttpError;

  constructor(error: HttpError) {
    super(error.code);
    this.error = error;
  }
}

/** Methods that the server lets through to every application. */
const ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/** The Allow field of responses that the server makes itself. RFC 9110 §10.2.1. */
export const ALLOW = ["Allow", ALLOWED_METHODS] as const;

function retryAfter(seconds: number): HttpError["fields"] {
  return [["Retry-After", String(seconds)]];
}

/** All errors, by code. */
export const ERRORS = named({
  TLS_EXPECTED: entry(400, "This port speaks TLS: the URL must begin with https://."),
  REQUEST_LINE_INVALID: entry(400, "The request line must be METHOD SP TARGET SP HTTP/1.1 CRLF."),
  LINE_END_INVALID: entry(400, "Lines must end with CRLF; CR or LF alone is not a line end."),
  METHOD_INVALID: entry(400, "The method must be a token."),
  METHOD_TOO_LONG: entry(501, "The method is longer than any that is known."),
  PSEUDO_FIELD_INVALID: entry(
    400,
    "The pseudo-header fields must be :method, :scheme, :path and :authority, each once and before all other fields.",
  ),
  FIELD_OF_CONNECTION: entry(
    400,
    "HTTP/2 has no Connection, Upgrade, Keep-Alive or Transfer-Encoding, and TE only with trailers.",
  ),
  HOST_DIFFERS: entry(400, "Host and :authority must name the same host."),
  BODY_LENGTH_DIFFERS: entry(400, "The body must be as long as Content-Length says."),
  FRAMES_INVALID: entry(400, "The frames of a connection must follow HTTP/2 (RFC 9113)."),
  FRAMES_TOO_MANY: entry(429, "The connection has cost the server more than it may."),
  STREAMS_TOO_MANY: entry(429, "Too many requests run on one connection."),
  METHOD_CONNECT: entry(501, "This server is no proxy: CONNECT is not served."),
  METHOD_TRACE: entry(405, "TRACE is not served: it would show fields meant for nobody.", [ALLOW]),
  TARGET_INVALID: entry(
    400,
    "The request target must be a path that begins with / or an http URI; other bytes than a URI may hold must be percent-encoded, and an encoded NUL is not served.",
  ),
  TARGET_TOO_LONG: entry(414, "The request line is too long."),
  TARGET_SCHEME: entry(421, "The request target must have the scheme of this connection."),
  VERSION_INVALID: entry(400, "The version must be HTTP/1.1 or HTTP/1.0."),
  VERSION_UNSUPPORTED: entry(505, "This connection serves HTTP/1.1 and HTTP/1.0."),
  HOST_MISSING: entry(400, "The request needs a Host field."),
  HOST_INVALID: entry(400, "Host must be a name or an address with an optional port."),
  FIELD_NAME_INVALID: entry(
    400,
    "A field line must begin with a token followed at once by a colon.",
  ),
  FIELD_VALUE_INVALID: entry(400, "A field value must not hold control characters."),
  FIELD_FOLDED: entry(400, "A field line must not begin with whitespace."),
  FIELD_REPEATED: entry(
    400,
    "A field that may stand once (Host, Content-Length, Content-Type, Authorization …) is repeated.",
  ),
  FIELD_FORBIDDEN_IN_TRAILER: entry(
    400,
    "A trailer must not hold fields of framing, routing or authentication.",
  ),
  HEAD_TOO_LARGE: entry(431, "The head or the trailers hold too many bytes."),
  TOO_MANY_FIELDS: entry(431, "The head or the trailers hold too many fields."),
  NO_HEAD_MEMORY: entry(
    431,
    "The server holds too many large or unfinished heads; send smaller ones, or try again later.",
  ),
  CONTENT_LENGTH_INVALID: entry(400, "Content-Length must be one decimal number."),
  LENGTH_AND_CODING: entry(
    400,
    "A message must not have both Content-Length and Transfer-Encoding.",
  ),
  CODING_INVALID: entry(
    400,
    "Transfer-Encoding must be a list of codings with chunked once, at its end.",
  ),
  CODING_UNSUPPORTED: entry(501, "The only transfer coding is chunked."),
  CODING_IN_HTTP_10: entry(400, "An HTTP/1.0 request must not have Transfer-Encoding."),
  CHUNK_SIZE_INVALID: entry(
    400,
    "A chunk must begin with its size in hexadecimal digits and CRLF.",
  ),
  CHUNK_EXTENSION_INVALID: entry(
    400,
    'A chunk extension must be ;name or ;name=value or ;name="value".',
  ),
  CHUNK_EXTENSIONS_TOO_LARGE: entry(
    400,
    "The chunk extensions of one request hold too many bytes.",
  ),
  CHUNK_END_INVALID: entry(400, "The bytes of a chunk must end with CRLF."),
  BODY_TOO_LARGE: entry(413, "The body is larger than this server takes."),
  BODY_INCOMPLETE: entry(400, "The connection ended before the body was whole."),
  HEAD_TIMEOUT: entry(408, "The head of the request did not come in time."),
  NO_INPUT_MEMORY: entry(
    503,
    "The server holds too many unfinished requests; try again later.",
    retryAfter(1),
  ),
  BODY_TIMEOUT: entry(408, "The body of the request comes too slowly."),
  WEBSOCKET_METHOD: entry(405, "A WebSocket handshake is a GET request.", [["Allow", "GET"]]),
  WEBSOCKET_VERSION: entry(426, "Sec-WebSocket-Version must be 13.", [
    ["Sec-WebSocket-Version", "13"],
  ]),
  WEBSOCKET_KEY: entry(400, "Sec-WebSocket-Key must be 16 bytes in base64."),
  WEBSOCKET_BODY: entry(400, "A WebSocket handshake has no body."),
  WEBSOCKET_LIST: entry(
    400,
    "Sec-WebSocket-Protocol must be a list of tokens, Sec-WebSocket-Extensions one of extensions.",
  ),
  WEBSOCKET_DENIED: entry(403, "The application has denied the WebSocket."),
  FIELD_NAME_UNDERSCORE: entry(400, "A field name must not have an underscore."),
  PASSWORD_NEEDED: entry(401, "This page needs a user name and a password.", [
    ["WWW-Authenticate", 'Basic realm="Restricted", charset="UTF-8"'],
  ]),
  PASSWORD_QUEUE_FULL: entry(
    503,
    "Too many passwords wait to be checked; try again later.",
    retryAfter(2),
  ),
  ADDRESS_DENIED: entry(403, "This page is not served to your address."),
  NOT_FOUND: entry(404, "Nothing is served at this path."),
  PROGRAM_DENIED: entry(403, "What is at this path may not be run."),
  FILE_METHOD: entry(405, "A file can be read only.", [["Allow", "GET, HEAD, OPTIONS"]]),
  PRECONDITION_FAILED: entry(412, "The file is not in the state that the request asks for."),
  RANGE_UNSATISFIABLE: entry(416, "The file has no bytes in the range that the request asks for."),
  HOST_UNKNOWN: entry(421, "This server does not serve the host of the request."),
  HOST_CERTIFICATE: entry(
    421,
    "The host of the request has other rules for client certificates than the host that this connection was made for.",
  ),
  HOST_WITHOUT_TLS: entry(
    421,
    "The host of the request is served over TLS with a client certificate only.",
  ),
  SERVER_FAULT: entry(500, "The server failed."),
  APPLICATION_ERROR: entry(500, "The application failed."),
  RESPONSE_INVALID: entry(500, "The application gave a response that cannot be sent."),
  WORKER_DIED: entry(502, "The process that ran this request ended."),
  QUEUE_FULL: entry(503, "Too many requests wait; try again later.", retryAfter(1)),
  WEBSOCKETS_FULL: entry(503, "Too many WebSockets are open; try again later.", retryAfter(1)),
  QUEUE_TIMEOUT: entry(503, "The request waited too long; try again later.", retryAfter(1)),
  OVERLOADED: entry(
    503,
    "More requests come than can be answered in time; try again later.",
    retryAfter(2),
  ),
  NO_WORKERS: entry(503, "The application does not run; try again later.", retryAfter(5)),
  STOPPING: entry(503, "The server is stopping.", retryAfter(1)),
  NO_DESCRIPTORS: entry(503, "Too many connections are open; try again later.", retryAfter(1)),
  DEADLINE: entry(504, "The application did not respond in time."),
  SPILL_FAILED: entry(507, "The server has no room for this message."),
});

/** Makes an entry of the table; the entry's key becomes its code. */
function entry(status: number, text: string, fields: HttpError["fields"] = []): Unnamed {
  return { code: "", status, text, fields };
}

function named<Code extends string>(table: Record<Code, Unnamed>): Record<Code, HttpError> {
  for (const [code, unnamed] of Object.entries<Unnamed>(table)) unnamed.code = code;
  return table;
}

type WholeResponse = readonly [head: ResponseHead, body: Buffer];

const responses = new WeakMap<HttpError, WholeResponse>();

/** Returns the response to an error, made once: a short text for a person, and the code that the log has too. */
export function errorResponse(error: HttpError): WholeResponse {
  const known = responses.get(error);
  if (known !== undefined) return known;
  const { code, status, text, fields } = error;
  const reason = reasonPhrase(status);
  const head = responseHead(status, reason, [
    ["Content-Type", "text/plain; charset=utf-8"],
    ...fields,
  ]);
  const response: WholeResponse = [head, Buffer.from(`${status} ${reason}\n${text} (${code})\n`)];
  responses.set(error, response);
  return response;
}
