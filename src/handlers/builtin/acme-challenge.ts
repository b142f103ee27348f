// Responds to the http-01 challenge of a certificate authority (RFC 8555 §8.3): the authority asks for a token, and
// the response proves that whoever ordered the certificate also runs this server.

import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";

export const CHALLENGE_PATH = "/.well-known/acme-challenge";

/** The response to a token; null: the token is not known. Never rejects. */
export type KeyAuthorizationOf = (token: string) => Promise<string | null>;

/** base64url, at least 128 bits of it (RFC 8555 §8.3). */
const TOKEN = /^[\w-]{22,256}$/;
const HEAD = responseHead(200, "OK", [
  ["Content-Type", "application/octet-stream"],
  ["Cache-Control", "no-store"],
]);

export class AcmeChallengeHandler implements Handler {
  readonly #keyAuthorizationOf: KeyAuthorizationOf;

  constructor(keyAuthorizationOf: KeyAuthorizationOf) {
    this.#keyAuthorizationOf = keyAuthorizationOf;
  }

  handle(exchange: Exchange): void {
    const token = exchange.path.slice(CHALLENGE_PATH.length + 1);
    if (TOKEN.test(token)) void this.#respond(exchange, token);
    else exchange.fail(ERRORS.NOT_FOUND);
  }

  async #respond(exchange: Exchange, token: string): Promise<void> {
    const text = await this.#keyAuthorizationOf(token);
    if (text === null) exchange.fail(ERRORS.NOT_FOUND);
    else exchange.respond(HEAD, Buffer.from(text));
  }
}
