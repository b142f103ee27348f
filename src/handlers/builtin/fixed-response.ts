// Responses that a route states itself: a redirect to another place, or a fixed text.

import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";
import { reasonPhrase } from "../../http/status.ts";
import { percentEncoded, UNSAFE_IN_LOCATION } from "../../http/target.ts";
import { keptCopy } from "../../net/buffer-pool.ts";

const EMPTY = Buffer.alloc(0);

/** Redirects below a prefix: "{path}" in `to` is the rest of the path, "{query}" is "?" and the query. */
export class RedirectHandler implements Handler {
  readonly #options: { readonly status: number; readonly to: string; readonly prefix: string };

  constructor(options: { readonly status: number; readonly to: string; readonly prefix: string }) {
    this.#options = options;
  }

  handle(exchange: Exchange): void {
    const { status, to, prefix } = this.#options;
    // The canonical path: a path of "//host" would be another site.
    const rest = exchange.path.slice(prefix.length).replaceAll(/[%?#]/g, percentEncoded);
    const { query } = exchange.effectiveHead;
    const location = redirectLocation(to, rest, query === "" ? "" : `?${query}`);
    exchange.respond(responseHead(status, reasonPhrase(status), [["Location", location]]), EMPTY);
  }
}

/**
 * The value of Location. A path stays one of this site: "/{path}" with "/host" would name another host. `to`: as the
 * operator wrote it; `path` and `query`: latin-1, one character a byte.
 */
export function redirectLocation(to: string, path: string, query: string): string {
  return Buffer.from(to)
    .toString("latin1")
    .replaceAll(/\{(path|query)\}/g, (_, name) => (name === "path" ? path : query))
    .replaceAll(UNSAFE_IN_LOCATION, percentEncoded)
    .replace(/^\/\/+/, "/");
}

/** Responds with the same status and text to each request. */
export class FixedResponseHandler implements Handler {
  readonly #status: number;
  readonly #contentType: string;
  readonly #body: Buffer;

  constructor(status: number, contentType: string, body: string) {
    this.#status = status;
    this.#contentType = contentType;
    this.#body = keptCopy([Buffer.from(body)]);
  }

  handle(exchange: Exchange): void {
    const fields: [string, string][] =
      this.#body.length === 0 ? [] : [["Content-Type", this.#contentType]];
    exchange.respond(responseHead(this.#status, reasonPhrase(this.#status), fields), this.#body);
  }
}
