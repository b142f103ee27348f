// The server's own responses about itself: /livez (it runs) and /readyz (it can take requests). They
// pass by every queue, so that they come however many requests wait there.

import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";

const LIVENESS_PATH = "/livez";
export const HEALTH_PATHS = [LIVENESS_PATH, "/readyz"] as const;
/** Requests with other methods are left to the applications. */
export const HEALTH_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

const PLAIN: readonly [string, string][] = [
  ["Content-Type", "text/plain; charset=utf-8"],
  ["Cache-Control", "no-store"],
];
const OK = { head: responseHead(200, "OK", PLAIN), body: Buffer.from("ok\n") };
const NOT_READY = {
  head: responseHead(503, "Service Unavailable", [...PLAIN, ["Retry-After", "1"]]),
  body: Buffer.from("not ready\n"),
};

/** Responds 200 for liveness always, for readiness while `isReady`. */
export class HealthHandler implements Handler {
  readonly #isReady: () => boolean;

  constructor(isReady: () => boolean) {
    this.#isReady = isReady;
  }

  handle(exchange: Exchange): void {
    const isFine = exchange.path === LIVENESS_PATH || this.#isReady();
    const { head, body } = isFine ? OK : NOT_READY;
    exchange.respond(head, body);
  }
}
