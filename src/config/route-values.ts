// Readers for the values of routes: hosts, paths, folders, addresses, fields of responses. Pure.

import { domainToASCII } from "node:url";

import { addressLiteral } from "../net/host-name.ts";
import type { RedirectStatus } from "./configuration.ts";
import { quote } from "./operator-error.ts";
import { BadValue, readApp, readText, withSchema, type Reader } from "./values.ts";

/** "Bücher.example." → "xn--bcher-kva.example"; "*.example.com"; an address. Lower case, without a port. */
export const readHostPattern: Reader<string> = withSchema(
  { type: "string", pattern: "^[^/\\s]+$" },
  (text) => {
    const address = addressLiteral(text.replace(/^\[(.*)\]$/, "$1"));
    if (address !== null) return address;
    const [, star = "", name = ""] = /^(\*\.)?(.*?)\.?$/.exec(text) ?? [];
    if (text === "*") throw new BadValue("must be a name; leave host out for every host");
    if (/:\d*$/.test(text)) throw new BadValue("must be a name without a port");
    // A name that is ASCII already stays: domainToASCII takes "1" for an address.
    const ascii = /^[\x21-\x7e]+$/.test(name) ? name.toLowerCase() : domainToASCII(name);
    if (
      !/^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/.test(
        ascii,
      )
    )
      throw new BadValue(
        "must be a name such as example.com, or *.example.com for all names below it",
      );
    return star + ascii;
  },
);

const PATH = "must be a path such as /shop: one / before each name";

/** A readable path, "/" or "/straße" → "" or "/straße": that path and all below it. */
export const readRoutePath: Reader<string> = withSchema(
  { type: "string", pattern: "^/" },
  (text) => {
    const path = text.replace(/\/$/, "");
    if (!text.startsWith("/")) throw new BadValue(PATH);
    if (text.includes("*"))
      throw new BadValue("must be a path without *; a path stands for all paths below it too");
    if (/%[0-9A-Fa-f]{2}/.test(text))
      throw new BadValue("must be a readable path, such as /straße, not a percent-encoded one");
    if (!/^(\/(?!\.\.?(?:\/|$))[^/?#\p{Cc}]+)*$/u.test(path) || !text.isWellFormed())
      throw new BadValue(PATH);
    return path;
  },
);

/** Whether a path is `prefix` or below it; "" has all paths below it. */
export function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

/** A readable path as the canonical path of requests: its bytes in UTF-8, each as one character. */
export function canonicalBytes(path: string): string {
  return Buffer.from(path, "utf8").toString("latin1");
}

/** A folder, and the path below which its files are. */
export interface MappedFolder {
  readonly prefix: string;
  readonly folder: string;
}

/** [/PREFIX=]DIR; `usual` is the prefix if none is given. */
export function mappedFolder(usual: string): Reader<MappedFolder> {
  return withSchema({ type: "string", minLength: 1 }, (text) => {
    const [, prefix, folder = ""] = /^(?:(\/[^=]*)=)?(.*)$/su.exec(text) ?? [];
    if (folder === "") throw new BadValue("must be DIR or /PREFIX=DIR, such as /static=public");
    return { prefix: prefix === undefined ? usual : readRoutePath(prefix), folder };
  });
}

/** /PREFIX=APP. */
export const readMount: Reader<{ readonly prefix: string; readonly app: string }> = withSchema(
  { type: "string", pattern: "^/[^=]*=." },
  (text) => {
    const [, prefix, app = ""] = /^(\/[^=]*)=(.+)$/su.exec(text) ?? [];
    if (prefix === undefined) throw new BadValue("must be /PREFIX=APP, such as /api=api:app");
    return { prefix: readRoutePath(prefix), app: readApp(app) };
  },
);

/** Fields that frame a message or belong to one connection: HTTP itself sets them. */
const FRAMING = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const FIELD_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** "Name: value" sets a field, "Name" removes it (value null). */
export const readHeader: Reader<readonly [name: string, value: string | null]> = withSchema(
  { type: "object", additionalProperties: { anyOf: [{ type: "string" }, { enum: [false] }] } },
  (text) => {
    const [, name = "", value = null] = /^([^:]*)(?:: (.*))?$/su.exec(text) ?? [];
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name))
      throw new BadValue("must begin with the name of a field, such as X-Frame-Options");
    if (FRAMING.has(name.toLowerCase()))
      throw new BadValue("must be another field: HTTP itself sets and removes this one");
    return [name, value === null ? null : readFieldValue(value)];
  },
);

/** The same as one text of a command line, "Name: value" or "Name:value". */
export function readHeaderLine(text: string): readonly [name: string, value: string | null] {
  return readHeader(text.replace(/^([^:]*):[\t ]*/, "$1: "));
}

/** The value of a field. */
export function readFieldValue(text: string): string {
  if (!FIELD_VALUE.test(text))
    throw new BadValue("must be one line of visible characters, without spaces at its ends");
  return text;
}

/** Where a redirect leads: a path or a URL, with "{path}" and "{query}". */
export function readRedirect(text: string): string {
  const unknown = [...text.matchAll(/\{[^}]*\}?/g)].find(
    ([word]) => word !== "{path}" && word !== "{query}",
  );
  if (unknown !== undefined)
    throw new BadValue(
      `must have no braces but {path} and {query}; ${quote(unknown[0])} is neither`,
    );
  // "//host" and "/\host" are other sites for a browser.
  if (!/^(?:https?:\/\/[^/\\{]|\/(?![/\\]))/i.test(text) || /[\p{Cc}\s]/u.test(text))
    throw new BadValue(
      "must be a path such as /new{path}, or a URL such as https://example.com{path}",
    );
  return text;
}

/** A text to respond with, or a status. */
export const readResponse: Reader<string> = withSchema(
  { anyOf: [{ type: "string" }, { type: "integer", minimum: 200, maximum: 599 }] },
  (text) => text,
);

export const REDIRECT_STATUSES: readonly RedirectStatus[] = [301, 302, 303, 307, 308];

/** The name of a file that stands for its folder; "false" → "", which is none. */
export const readIndex: Reader<string> = withSchema(
  { anyOf: [{ type: "string" }, { type: "boolean", enum: [false] }] },
  (text) => {
    if (text === "false") return "";
    if (text === "true" || !/^[^./\p{Cc}][^/\p{Cc}]*$/u.test(text))
      throw new BadValue("must be the name of a file, such as index.html, or false");
    return text;
  },
);

/** The path of a file below a folder. */
export function readInnerFile(text: string): string {
  if (!/^(?:(?!\.\.?(?:\/|$))[^/\p{Cc}]+\/)*(?!\.\.?$)[^/\p{Cc}]+$/u.test(readText(text)))
    throw new BadValue("must be a file below the folder, such as index.html");
  return text;
}
