// What a developer sees while the application does not load: a page with the traceback, for every request; the
// traceback alone for a client that takes no HTML. Only for development (--reload): a page like this tells strangers
// too much.

import type { Exchange, Handler } from "../../http/exchange.ts";
import { fieldValue } from "../../http/request-fields.ts";
import { responseHead } from "../../http/response-head.ts";
import { ERROR_STYLE } from "./error-style.ts";
import { escapeHtml } from "../../http/escape-html.ts";

const HTML = headOf("text/html; charset=utf-8");
const TEXT = headOf("text/plain; charset=utf-8");
/** A password in a URL, as in the message of a database that is not there; what a worker makes is masked there. */
const PASSWORD = /(:\/\/[^/\s:@]*:)[^\s/]+@/g;

export class FailureHandler implements Handler {
  readonly #text: string;
  readonly #page: string;

  /** `text`: the traceback, or the sentence that says why. `made`: a page of it that a worker has made; "" = none. */
  constructor(text: string, made = "") {
    const shown = text.trim().replaceAll(PASSWORD, "$1********@");
    this.#text = `${shown}\n`;
    this.#page = made || page(shown);
  }

  handle(exchange: Exchange): void {
    const accept = fieldValue(exchange.effectiveHead, "accept");
    const takesHtml = accept === null || accept.includes("text/html");
    if (takesHtml) exchange.respond(HTML, Buffer.from(this.#page));
    else exchange.respond(TEXT, Buffer.from(this.#text));
  }
}

function headOf(type: string): ReturnType<typeof responseHead> {
  return responseHead(500, "Internal Server Error", [
    ["Content-Type", type],
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
  ]);
}

function page(text: string): string {
  const lines = text.split("\n");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The application does not load</title>
<style>
${ERROR_STYLE}</style>
<p class="about">The application does not load</p>
<h1>${escapeHtml(lines.at(-1) ?? "")}</h1>
<pre>${escapeHtml(lines.join("\n"))}</pre>
<p>Typhon looks at the files and loads them again when one is saved.</p>
</html>
`;
}
