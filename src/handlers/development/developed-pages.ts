// The handler of a route in development: pages get the reload script, and a browser asks anew for what they consist of.

import type { Exchange, Handler } from "../../http/exchange.ts";
import type { PageReloads } from "./page-reloads.ts";
import { purposeOf, ScriptTag, withoutCodings, withoutConditions } from "./script-tag.ts";

export class DevelopedPages implements Handler {
  readonly #inner: Handler;
  readonly #reloads: PageReloads;

  constructor(inner: Handler, reloads: PageReloads) {
    this.#inner = inner;
    this.#reloads = reloads;
  }

  handle(exchange: Exchange): void {
    const purpose = purposeOf(exchange.effectiveHead);
    if (purpose !== "other") {
      // Applications read the one; files, and the server's own compression, the other.
      exchange.effectiveHead = withoutCodings(withoutConditions(exchange.effectiveHead));
      exchange.head = withoutConditions(exchange.head);
    }
    exchange.appender = new ScriptTag(purpose, this.#reloads.version);
    this.#inner.handle(exchange);
  }
}
