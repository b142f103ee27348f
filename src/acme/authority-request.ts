// One HTTP request to an authority, over HTTPS, bounded in time and bytes. Redirects are not followed: a
// signed request names the URL that it is for. Each request has a connection of its own; an order takes
// about fifteen.

import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";

import { AcmeError, fault } from "./acme-error.ts";
import { parseObject, type JsonObject } from "./json.ts";

/** Time limit of one request, from the look-up of the name to the last byte of the response. */
export const MAX_REQUEST_MS = 30_000;
/** Bytes of a response's body: a chain of certificates has some 10,000. */
const MAX_RESPONSE_BYTES = 1_048_576;

/** OpenSSL's refusals of a chain that ends in an unknown root. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

export interface AuthorityRequest {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: string;
  /** The JWS of a POST; "" for the others. */
  readonly body: string;
  readonly accept: string;
}

export interface AuthorityResponse {
  readonly url: string;
  readonly status: number;
  /** The fields that the client reads; "": absent. */
  readonly location: string;
  readonly link: string;
  readonly retryAfter: string;
  readonly replayNonce: string;
  readonly text: string;
  /** The body's JSON object; null: there is none. */
  readonly object: JsonObject | null;
}

export interface RequestSettings {
  /** PEM of the only roots to trust; null: Node's own. */
  readonly caRoot: string | null;
  readonly userAgent: string;
  readonly maxMs: number;
  /** Whether the authority is on this machine, without TLS: no other may send a request there. */
  readonly mayBePlain: boolean;
}

/** Whether requests may go to a URL: HTTPS, or where `mayBePlain` plain HTTP to this machine. */
export function isAllowedUrl(url: string, mayBePlain: boolean): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  const isLoopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
  return protocol === "https:" || (mayBePlain && protocol === "http:" && isLoopback);
}

/** Sends a request. Rejects with AcmeError (connection, timeout, malformedResponse) or the signal's reason. */
export async function sendToAuthority(
  { method, url, body, accept }: AuthorityRequest,
  settings: RequestSettings,
  signal: AbortSignal,
): Promise<AuthorityResponse> {
  signal.throwIfAborted();
  if (!isAllowedUrl(url, settings.mayBePlain))
    throw fault("malformedResponse", `not an https URL: ${url}`);
  const headers = {
    accept,
    "user-agent": settings.userAgent,
    ...(method === "POST" ? { "content-type": "application/jose+json" } : {}),
  };
  const options = { method, headers, agent: false, signal } as const;
  // An authority may write the scheme in any case.
  const request =
    URL.parse(url)?.protocol === "https:"
      ? requestHttps(url, settings.caRoot === null ? options : { ...options, ca: settings.caRoot })
      : requestHttp(url, options);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    request.destroy();
  }, settings.maxMs);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve);
      request.on("error", reject);
      // A switch of protocols, for example, closes the connection without an error.
      request.on("close", () => reject(new Error("the connection closed without a response")));
      request.end(body);
    });
    return describeResponse(url, response, await readBody(response));
  } catch (error) {
    signal.throwIfAborted();
    if (isLate) throw fault("timeout", `no whole response within ${settings.maxMs} ms: ${url}`);
    if (error instanceof AcmeError) throw error;
    throw fault("connection", `${new URL(url).host}: ${reasonOf(error)}`);
  } finally {
    clearTimeout(timer);
    request.destroy();
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response) {
    if (!Buffer.isBuffer(piece)) continue;
    bytes += piece.length;
    if (bytes > MAX_RESPONSE_BYTES)
      throw fault("malformedResponse", `a body of more than ${MAX_RESPONSE_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function describeResponse(url: string, response: IncomingMessage, text: string): AuthorityResponse {
  const { statusCode = 0, headers } = response;
  if (statusCode >= 300 && statusCode < 400)
    throw fault("malformedResponse", `a redirect (${statusCode}) from ${url}`, statusCode);
  const nonce = headers["replay-nonce"];
  return {
    url,
    status: statusCode,
    location: headers.location ?? "",
    link: headers.link?.toString() ?? "",
    retryAfter: headers["retry-after"] ?? "",
    replayNonce: typeof nonce === "string" ? nonce : "",
    text,
    object: parseObject(text),
  };
}

/** A failed connection's code and text; several addresses that failed are one AggregateError without text. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  // Node's own text advises an option of Node.
  return UNTRUSTED.has(code)
    ? `its certificate is not trusted (${code}); a private authority's own root has to be given (--acme-ca-root)`
    : error.message;
}
