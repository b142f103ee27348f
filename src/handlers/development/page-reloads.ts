// What the server tells the pages of a developer's browser: that there is new code, or that style sheets have
// changed. Serves the script of the pages, its events (Server-Sent Events) and the style sheet of error pages, below
// /.typhon/. Only in development (typhon dev).

import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";
import { ERROR_STYLE } from "./error-style.ts";
import { RELOAD_SCRIPT } from "./reload-script.ts";

/** No application is likely to have paths below it. */
export const DEVELOPMENT_PATH = "/.typhon";
const EVENTS_PATH = `${DEVELOPMENT_PATH}/reload`;
const SCRIPT_PATH = `${DEVELOPMENT_PATH}/reload.js`;
const STYLE_PATH = `${DEVELOPMENT_PATH}/error.css`;
/** Pages that wait for events. When one more comes, the one that waits for longest is ended, and connects anew. */
export const MAX_WAITING_PAGES = 100;
/** After this time a page connects anew, as after a restart of the server, ms. */
const RETRY_MS = 500;

const EVENTS = headOf("text/event-stream");
const SCRIPT = { head: headOf("text/javascript; charset=utf-8"), body: Buffer.from(RELOAD_SCRIPT) };
const STYLE = { head: headOf("text/css; charset=utf-8"), body: Buffer.from(ERROR_STYLE) };

/** "page": all that a page shows may differ. "styles": only style sheets do. */
export type PageChange = "page" | "styles";

export class PageReloads implements Handler {
  readonly #waiting = new Set<Exchange>();
  /** Another one in each process, so that pages of an earlier one reload. */
  readonly #process = Date.now().toString(36);
  #changes = 0;

  /** Of the code that responds to a request that comes now. */
  get version(): string {
    return `${this.#process}-${this.#changes}`;
  }

  /** A file has changed: requests from now on are for the new code. */
  begin(): void {
    this.#changes += 1;
  }

  /** Tells all pages. */
  tell(change: PageChange): void {
    for (const exchange of this.#waiting) exchange.write(this.#event(change));
  }

  handle(exchange: Exchange): void {
    if (exchange.path === EVENTS_PATH) this.#wait(exchange);
    else if (exchange.path === SCRIPT_PATH) exchange.respond(SCRIPT.head, SCRIPT.body);
    else if (exchange.path === STYLE_PATH) exchange.respond(STYLE.head, STYLE.body);
    else exchange.fail(ERRORS.NOT_FOUND);
  }

  /** Ends all streams of events: the server stops. */
  close(): void {
    for (const exchange of this.#waiting) exchange.end();
    this.#waiting.clear();
  }

  #wait(exchange: Exchange): void {
    if (exchange.head.method !== "GET") {
      exchange.respond(EVENTS, Buffer.alloc(0));
      return;
    }
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size >= MAX_WAITING_PAGES) this.#end(oldest);
    this.#waiting.add(exchange);
    exchange.listener = { onDrain: () => undefined, onGone: () => this.#end(exchange) };
    exchange.start(EVENTS);
    exchange.write(Buffer.from(`retry: ${RETRY_MS}\n\n`));
    const isCurrent = exchange.head.query === `since=${this.version}`;
    if (!isCurrent) exchange.write(this.#event("page"));
  }

  #end(exchange: Exchange): void {
    this.#waiting.delete(exchange);
    exchange.end();
  }

  #event(change: PageChange): Buffer {
    return Buffer.from(`event: ${change}\ndata: ${this.version}\n\n`);
  }
}

function headOf(type: string): ReturnType<typeof responseHead> {
  return responseHead(200, "OK", [
    ["Content-Type", type],
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
  ]);
}
