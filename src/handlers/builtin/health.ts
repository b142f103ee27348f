// The server's own answers about itself: /livez (it runs) and /readyz (it can take requests). Given
// before the queue, so that they come however much waits there.

import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";

const PLAIN: readonly [string, string][] = [
  ["Content-Type", "text/plain; charset=utf-8"],
  ["Cache-Control", "no-store"],
];
const OK = { head: responseHead(200, "OK", PLAIN), body: Buffer.from("ok\n") };
const NOT_READY = {
  head: responseHead(503, "Service Unavailable", [...PLAIN, ["Retry-After", "1"]]),
  body: Buffer.from("not ready\n"),
};

export class HealthHandler implements Handler {
  readonly #isReady: () => boolean;

  constructor(isReady: () => boolean) {
    this.#isReady = isReady;
  }

  /** Whether the exchange asks for one of the two. */
  isFor({ head }: Exchange): boolean {
    const isAsked = head.path === "/livez" || head.path === "/readyz";
    return isAsked && (head.method === "GET" || head.method === "HEAD");
  }

  handle(exchange: Exchange): void {
    const isFine = exchange.head.path === "/livez" || this.#isReady();
    const { head, body } = isFine ? OK : NOT_READY;
    exchange.respond(head, body);
  }
}
