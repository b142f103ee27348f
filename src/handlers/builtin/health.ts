// The server's own responses about itself: /livez (it runs) and /readyz (it can take requests). They
// pass by every queue, so that they come however many requests wait there.

import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";

export const LIVENESS_PATH = "/livez";
export const READINESS_PATH = "/readyz";

const PLAIN: readonly [string, string][] = [
  ["Content-Type", "text/plain; charset=utf-8"],
  ["Cache-Control", "no-store"],
];
const OK = { head: responseHead(200, "OK", PLAIN), body: Buffer.from("ok\n") };
const NOT_READY = {
  head: responseHead(503, "Service Unavailable", [...PLAIN, ["Retry-After", "1"]]),
  body: Buffer.from("not ready\n"),
};

/** Responds 200 while `isFine`, else 503. */
export class HealthHandler implements Handler {
  readonly #isFine: () => boolean;

  constructor(isFine: () => boolean) {
    this.#isFine = isFine;
  }

  handle(exchange: Exchange): void {
    const { head, body } = this.#isFine() ? OK : NOT_READY;
    exchange.respond(head, body);
  }
}
