// What a developer sees while the application does not load: a page with the traceback, for every
// request. Only for development (--reload): a page like this tells strangers too much.

import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";

const HEAD = responseHead(500, "Internal Server Error", [
  ["Content-Type", "text/html; charset=utf-8"],
  ["Cache-Control", "no-store"],
]);
const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

export class FailureHandler implements Handler {
  readonly #body: string;

  /** `text`: the traceback, or the sentence that says why. */
  constructor(text: string) {
    this.#body = page(text);
  }

  handle(exchange: Exchange): void {
    exchange.respond(HEAD, Buffer.from(this.#body));
  }
}

function page(text: string): string {
  const lines = text.trim().split("\n");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The application does not load</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 60rem; padding: 0 1rem; }
  pre { background: #f4f4f4; color: #222; overflow-x: auto; padding: 1rem; }
  strong { color: #b00020; }
</style>
<h1>The application does not load</h1>
<p><strong>${escape(lines.at(-1) ?? "")}</strong></p>
<pre>${escape(lines.join("\n"))}</pre>
<p>Typhon looks at the files and loads them again when one is saved; then reload this page.</p>
</html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>]/g, (character) => ENTITIES[character] ?? "");
}
