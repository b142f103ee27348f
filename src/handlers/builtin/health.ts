// The server's own responses about itself: /livez (it runs), /readyz (its default application can take requests)
// and /readyz/NAME (that application can). They pass by every queue, so that they come however many requests wait
// there.

import { ERRORS } from "../../http/error.ts";
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

export class LivenessHandler implements Handler {
  handle(exchange: Exchange): void {
    exchange.respond(OK.head, OK.body);
  }
}

export class ReadinessHandler implements Handler {
  /** Whether something can take requests, by canonical path. */
  readonly #isReady: ReadonlyMap<string, () => boolean>;

  constructor(isReady: ReadonlyMap<string, () => boolean>) {
    this.#isReady = isReady;
  }

  handle(exchange: Exchange): void {
    const isReady = this.#isReady.get(exchange.path);
    if (isReady === undefined) {
      exchange.fail(ERRORS.NOT_FOUND);
      return;
    }
    const { head, body } = isReady() ? OK : NOT_READY;
    exchange.respond(head, body);
  }
}
