// Which responses get the reload script, and where. The tag is put behind the document, so that nothing of a stream
// is held back; a browser takes it for the end of the body. A document is what a browser loads as one: it says so
// (Sec-Fetch-Dest), and else the response must begin as a document does, because fragments of pages (htmx, fetch)
// stay as they are. The server's own errors are documents here, so that they reload, too. A page with the tag is not stored, because the tag has the version of the code.

import type { HttpError } from "../../http/error.ts";
import { hasMember } from "../../http/grammar.ts";
import {
  HAS_CODING,
  HAS_CONDITION,
  type RequestHead,
  type ResponseHead,
} from "../../http/message.ts";
import { fieldValue } from "../../http/request-fields.ts";
import { mayHaveBody, responseHead } from "../../http/response-head.ts";
import type { Appendix, ResponseAppender } from "../../http/response-policy.ts";
import { reasonPhrase } from "../../http/status.ts";
import { escapeHtml } from "../../http/escape-html.ts";

/** Fields that hold for the bytes of the application's body alone, or would let a browser keep the page. */
const DROPPED: ReadonlySet<string> = new Set([
  "accept-ranges",
  "cache-control",
  "content-length",
  "etag",
  "expires",
  "last-modified",
]);
/** With these the body must stay as it is: it has a coding, is a part, is no page, or has a checksum. */
const FIXES_BODY: ReadonlySet<string> = new Set([
  "content-digest",
  "content-disposition",
  "content-encoding",
  "content-md5",
  "content-range",
  "digest",
  "repr-digest",
]);
const CONDITIONS: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);
const CODINGS: ReadonlySet<string> = new Set(["accept-encoding"]);
const HTML = /^text\/html\s*(?:;(?!.*charset\s*=\s*"?utf-?(?:16|32))|$)/i;
/** A document, behind a byte order mark, blanks and comments. A comment ends in one place only, so that no text is read twice. */
const DOCUMENT =
  /^(?:\u00ef\u00bb\u00bf)?(?:\s|<!--(?:(?!-->)[\s\S])*-->)*<(?:!doctype\s+html|html)[\s>]/i;
/** So much of a body is looked at. */
const BEGIN_BYTES = 1024;
const EMPTY = Buffer.alloc(0);
const NONCE = /'nonce-([A-Za-z0-9+/_-]+={0,2})'/;

/** "document": a browser loads a page. "unknown": perhaps. "other": a part of one, or no browser. */
export type Purpose = "document" | "unknown" | "other";

export function purposeOf(head: RequestHead): Purpose {
  const destination = fieldValue(head, "sec-fetch-dest");
  if (destination !== null) return destination === "document" ? "document" : "other";
  const isPart = ["hx-request", "x-requested-with"].some((name) => head.names.includes(name));
  const takesHtml = fieldValue(head, "accept")?.includes("text/html") === true;
  return takesHtml && !isPart ? "unknown" : "other";
}

/** The head without conditions: a page that the browser has kept has no tag, or that of older code. */
export function withoutConditions(head: RequestHead): RequestHead {
  return (head.fields & HAS_CONDITION) === 0 ? head : without(head, CONDITIONS, HAS_CONDITION);
}

/** The head without codings: an application that compresses by itself must not, so that the tag can be put in. */
export function withoutCodings(head: RequestHead): RequestHead {
  return (head.fields & HAS_CODING) === 0 ? head : without(head, CODINGS, HAS_CODING);
}

function without(head: RequestHead, dropped: ReadonlySet<string>, bits: number): RequestHead {
  const kept = head.names.map((name) => !dropped.has(name));
  return {
    ...head,
    names: head.names.filter((_, index) => kept[index]),
    values: head.values.filter((_, index) => kept[index]),
    fields: head.fields & ~bits,
  };
}

/** Puts the tag behind the documents of one exchange; all other responses are revalidated by the browser. `version`: of the code that responds. */
export class ScriptTag implements ResponseAppender {
  readonly #purpose: Purpose;
  readonly #version: string;

  constructor(purpose: Purpose, version: string) {
    this.#purpose = purpose;
    this.#version = version;
  }

  errorPage(error: HttpError): readonly [head: ResponseHead, body: Buffer] | null {
    if (this.#purpose === "other") return null;
    const { code, status, text, fields } = error;
    const reason = reasonPhrase(status);
    const head = responseHead(status, reason, [
      ["Content-Type", "text/html; charset=utf-8"],
      ...fields,
    ]);
    const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${status} ${reason}</title>
<link rel="stylesheet" href="/.typhon/error.css">
<h1>${status} ${reason}</h1>
<p class="message">${escapeHtml(text)} (${code})</p>
</html>
`;
    return [head, Buffer.from(page)];
  }

  appendTo(head: ResponseHead, method: string): Appendix | null {
    if (this.#purpose === "other" || !isPage(head) || !mayHaveBody(method, head.status))
      return revalidated(head);
    const isSure = this.#purpose === "document";
    const bytes = Buffer.from(tagOf(this.#version, head));
    const length = isSure && head.contentLength !== null ? head.contentLength + bytes.length : null;
    return {
      head: changedHead(head, length),
      bytes,
      fits: (begin) => isSure || DOCUMENT.test(begin.subarray(0, BEGIN_BYTES).toString("latin1")),
    };
  }
}

/**
 * A browser may keep for days what says nothing of it (RFC 9111 §4.2.2), and does not ask anew for the scripts and
 * pictures of a page that reloads.
 */
function revalidated(head: ResponseHead): Appendix | null {
  const { names, values } = head;
  if (names.some((name) => name.toLowerCase() === "cache-control")) return null;
  const asked = {
    ...head,
    names: [...names, "Cache-Control"],
    values: [...values, "no-cache"],
  };
  return { head: asked, bytes: EMPTY, fits: () => true };
}

function isPage({ status, names, values }: ResponseHead): boolean {
  if (status === 206 || names.some((name) => FIXES_BODY.has(name.toLowerCase()))) return false;
  return HTML.test(valueOf(names, values, "content-type"));
}

function changedHead(head: ResponseHead, contentLength: number | null): ResponseHead {
  const kept = head.names.map((name) => !DROPPED.has(name.toLowerCase()));
  const isFixed = hasMember(valueOf(head.names, head.values, "cache-control"), "no-transform");
  const fields: [string, string][] = [
    ["Cache-Control", isFixed ? "no-store, no-transform" : "no-store"],
    ...(contentLength === null
      ? []
      : ([["Content-Length", String(contentLength)]] satisfies [string, string][])),
  ];
  return {
    ...head,
    names: [...head.names.filter((_, index) => kept[index]), ...fields.map(([name]) => name)],
    values: [...head.values.filter((_, index) => kept[index]), ...fields.map(([, value]) => value)],
    contentLength,
  };
}

/** A page whose policy for scripts has a nonce runs no script without it. */
function tagOf(version: string, { names, values }: ResponseHead): string {
  const nonce = NONCE.exec(valueOf(names, values, "content-security-policy"))?.[1];
  const attribute = nonce === undefined ? "" : ` nonce="${nonce}"`;
  return `\n<script src="/.typhon/reload.js" data-version="${version}"${attribute} async></script>\n`;
}

function valueOf(names: readonly string[], values: readonly string[], name: string): string {
  return values.filter((_, index) => names[index]?.toLowerCase() === name).join(", ");
}
