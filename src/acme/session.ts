// Requests to one authority: its directory, signed requests with nonces (RFC 8555 §6.5), and what is tried
// again. Knows no orders.

import type { KeyObject } from "node:crypto";

import { AcmeError, fault, problemError } from "./acme-error.ts";
import {
  MAX_REQUEST_MS,
  sendToAuthority,
  type AuthorityRequest,
  type AuthorityResponse,
} from "./authority-request.ts";
import { readDirectory, type Directory } from "./directory.ts";
import type { JsonObject } from "./json.ts";
import { signRequest } from "./jws.ts";
import { retryAfterMs } from "./retry-after.ts";

/** Nonces kept for the next requests; an authority forgets them after some time. */
const MAX_NONCES = 8;
/** Tries of one request that the authority refuses for its nonce. Pebble refuses 5 of 100 on purpose. */
const MAX_NONCE_TRIES = 10;
/** Tries of one request that fails for a reason that passes. */
const MAX_TRIES = 4;
/** The wait before the second try; each further one is twice as long. */
const FIRST_WAIT_MS = 1000;
/** A longer wait that the authority asks for is left to the caller. */
const MAX_WAIT_MS = 30_000;
/** How long the authority may check a challenge, or make a certificate. */
const MAX_POLL_MS = 600_000;
/** Looks at one resource; with a bound of time, so that a clock that moves ends them as well. */
const MAX_POLLS = 120;
const FIRST_POLL_MS = 1000;
const MAX_POLL_WAIT_MS = 10_000;
/** A directory is read again after this time: authorities add profiles and renewal information. */
const DIRECTORY_MS = 3_600_000;
/** A nonce in base64url, as the authority chose its length (RFC 8555 §6.5.1). */
const NONCE = /^[\w-]{1,512}$/;

export interface SessionOptions {
  readonly directoryUrl: string;
  readonly caRoot: string | null;
  readonly accountKey: KeyObject;
  readonly userAgent: string;
  readonly now: () => number;
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface SignedRequest {
  readonly url: string;
  /** The JSON of the request; "" reads the resource (POST-as-GET). */
  readonly payload: string;
  /** The account that signs; null: the key itself, for a new account. The session's own unless given. */
  readonly accountUrl?: string | null;
  /** Whether a second such request does no harm where the response to the first was lost; reads always may. */
  readonly isRepeatable?: boolean;
  readonly accept?: string;
}

export class AcmeSession {
  readonly #options: SessionOptions;
  readonly #nonces: string[] = [];
  #directory: { readonly value: Directory; readonly readAt: number } | null = null;
  /** The account's URL; "" until it is known. */
  accountUrl = "";

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The authority's directory, at most an hour old. */
  async directory(signal: AbortSignal): Promise<Directory> {
    const { directoryUrl, now } = this.#options;
    if (this.#directory !== null && now() - this.#directory.readAt < DIRECTORY_MS)
      return this.#directory.value;
    const response = await this.get(directoryUrl, signal);
    this.#directory = { value: readDirectory(response), readAt: now() };
    return this.#directory.value;
  }

  /** Reads a resource without a signature. */
  async get(url: string, signal: AbortSignal): Promise<AuthorityResponse> {
    const request = { method: "GET", url, body: "", accept: "application/json" } as const;
    return this.#withTries(signal, () => this.#send(request, signal));
  }

  /** Sends a signed request → its response of status 2xx. */
  async post(request: SignedRequest, signal: AbortSignal): Promise<AuthorityResponse> {
    const attempt: Attempt = { mayRepeat: true };
    return this.#withTries(signal, () => this.#postOnce(request, attempt, signal), attempt);
  }

  /** The end of looks that begin now, for `poll`. */
  pollEnd(): number {
    return this.#options.now() + MAX_POLL_MS;
  }

  /**
   * Looks at a resource while `isPending` says so, and waits between looks as the authority asks → the resource, also
   * where it is still pending at the end.
   */
  async poll(
    url: string,
    isPending: (resource: JsonObject) => boolean,
    signal: AbortSignal,
    end = this.pollEnd(),
  ): Promise<JsonObject> {
    const { now } = this.#options;
    for (let polls = 1; ; polls += 1) {
      const { object, retryAfter } = await this.post({ url, payload: "" }, signal);
      if (object === null) throw fault("malformedResponse", `no JSON object at ${url}`);
      if (!isPending(object) || polls === MAX_POLLS || now() >= end) return object;
      const usualMs = Math.min(FIRST_POLL_MS * 2 ** (polls - 1), MAX_POLL_WAIT_MS);
      const asked = retryAfterMs(retryAfter, now());
      await this.wait(asked > 0 ? Math.min(asked, MAX_WAIT_MS) : usualMs, signal);
    }
  }

  /** Waits, and rejects with the signal's reason when the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.delay(ms, signal);
    } finally {
      signal.throwIfAborted();
    }
  }

  async #postOnce(
    request: SignedRequest,
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<AuthorityResponse> {
    const { url, payload, accountUrl = this.accountUrl, accept = "application/json" } = request;
    const { isRepeatable = payload === "" } = request;
    const { accountKey } = this.#options;
    if (accountUrl === "") throw fault("accountDoesNotExist", "an account comes first");
    for (let tries = 1; ; tries += 1) {
      attempt.mayRepeat = true;
      const nonce = await this.#takeNonce(signal);
      attempt.mayRepeat = isRepeatable;
      const body = signRequest(payload, { url, nonce, accountUrl }, accountKey);
      try {
        return await this.#send({ method: "POST", url, body, accept }, signal);
      } catch (error) {
        if (!(error instanceof AcmeError) || error.type !== "badNonce") throw error;
        if (tries === MAX_NONCE_TRIES) throw error;
      }
    }
  }

  /** A nonce that is kept, or a new one. One try: the request that needs it is tried again as a whole. */
  async #takeNonce(signal: AbortSignal): Promise<string> {
    const kept = this.#nonces.pop();
    if (kept !== undefined) return kept;
    const { newNonce } = this.#directory?.value ?? (await this.directory(signal));
    const request = { method: "HEAD", url: newNonce, body: "", accept: "*/*" } as const;
    const { replayNonce } = await this.#send(request, signal);
    if (!NONCE.test(replayNonce)) throw fault("malformedResponse", `no nonce from ${newNonce}`);
    return replayNonce;
  }

  /** One request → its response of status 2xx; a problem document as an error. */
  async #send(request: AuthorityRequest, signal: AbortSignal): Promise<AuthorityResponse> {
    const { caRoot, userAgent, directoryUrl, now } = this.#options;
    const mayBePlain = URL.parse(directoryUrl)?.protocol === "http:";
    const settings = { caRoot, userAgent, maxMs: MAX_REQUEST_MS, mayBePlain };
    const response = await sendToAuthority(request, settings, signal);
    // A nonce that was asked for belongs to the request that asked: another order must not take it.
    const isSpare = request.method !== "HEAD" && NONCE.test(response.replayNonce);
    if (isSpare && this.#nonces.length < MAX_NONCES) this.#nonces.push(response.replayNonce);
    if (response.status >= 200 && response.status < 300) return response;
    const waitMs = retryAfterMs(response.retryAfter, now());
    throw problemError(response.object, response.status, waitMs);
  }

  /** Tries again what was not done (429 and 503 with a short Retry-After), and what may be done twice. */
  async #withTries<T>(
    signal: AbortSignal,
    send: () => Promise<T>,
    attempt: Attempt = { mayRepeat: true },
  ): Promise<T> {
    for (let tries = 1; ; tries += 1)
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof AcmeError) || tries === MAX_TRIES) throw error;
        const waitMs = waitBeforeTry(error, attempt.mayRepeat, tries);
        if (waitMs === null) throw error;
        await this.wait(waitMs, signal);
      }
  }
}

/** What is known of a request that fails: whether another one does no harm. */
interface Attempt {
  mayRepeat: boolean;
}

/** Whether an error tells nothing of what the authority did: no response, or a fault of its own. */
export function isPassing({ status, type }: AcmeError): boolean {
  return status >= 500 || type === "connection" || type === "timeout";
}

/** Milliseconds before the next try; null: the request is not to be repeated. Pure. */
function waitBeforeTry(error: AcmeError, mayRepeat: boolean, tries: number): number | null {
  const { status, retryAfterMs: asked } = error;
  if (asked > MAX_WAIT_MS) return null;
  if (asked > 0 && (status === 429 || status === 503)) return asked;
  return mayRepeat && isPassing(error) ? Math.max(asked, FIRST_WAIT_MS * 2 ** (tries - 1)) : null;
}
