// Readers: each takes the text of one option and returns the value, or throws BadValue with a text that says
// what would be right ("must be …"). sources.ts adds the option's name and the bad text. Pure.

import { isIP } from "node:net";

import type { ApplicationConfiguration } from "./configuration.ts";
import { quote } from "./operator-error.ts";

/** A text that its option does not accept; the message continues "--option 'text' …". */
export class BadValue extends Error {}

/** The values that a key of the file may have, as JSON Schema (draft 7). */
export interface ValueSchema {
  readonly type?: "string" | "integer" | "number" | "boolean" | "array" | "object";
  readonly enum?: readonly (string | number | false)[];
  readonly anyOf?: readonly ValueSchema[];
  readonly items?: ValueSchema;
  readonly additionalProperties?: ValueSchema;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Turns the text of an option into its value; throws BadValue. `schema`: its values in the file; a text if absent. */
export interface Reader<T> {
  (text: string): T;
  readonly schema?: ValueSchema;
}

/** A reader whose values in the file are not any text. */
export function withSchema<T>(schema: ValueSchema, read: (text: string) => T): Reader<T> {
  return Object.assign((text: string): T => read(text), { schema });
}

/** Any text but the empty one. */
export const readText: Reader<string> = withSchema({ type: "string", minLength: 1 }, (text) => {
  if (text === "") throw new BadValue("must not be empty");
  return text;
});

/** A whole number between `min` and `max`. */
export function wholeNumber(min: number, max: number): Reader<number> {
  return withSchema({ type: "integer", minimum: min, maximum: max }, (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new BadValue(`must be a whole number from ${min} to ${max}`);
    return value;
  });
}

/** A day, which is enough for every option. A timer of Node takes at most 2³¹−1 ms. */
const MAX_SECONDS = 86_400;

/** Seconds, with an optional fraction ("2.5") → milliseconds. `min` is in seconds. */
export function seconds(min: number): Reader<number> {
  return withSchema({ type: "number", minimum: min, maximum: MAX_SECONDS }, (text) => {
    const value = /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= MAX_SECONDS))
      throw new BadValue(
        `must be a number of seconds from ${min} to ${MAX_SECONDS}, such as 30 or 2.5`,
      );
    return Math.round(value * 1000);
  });
}

/** "30" → prefix "", which is all paths; "/reports=300" → /reports and the paths below it. */
export const readTimeout: Reader<ApplicationConfiguration["routeTimeouts"][number]> = withSchema(
  {
    anyOf: [
      { type: "number", minimum: 0, maximum: MAX_SECONDS },
      { type: "string", pattern: String.raw`^(\d+(\.\d*)?|\.\d+|/.*=.*)$` },
    ],
  },
  (text) => {
    const at = text.lastIndexOf("=");
    if (!text.startsWith("/") || at === -1) return { prefix: "", ms: seconds(0)(text) };
    return { prefix: readPrefix(text.slice(0, at)), ms: seconds(0)(text.slice(at + 1)) };
  },
);

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

const SIZE: ValueSchema = {
  anyOf: [
    { type: "number", minimum: 0 },
    { type: "string", pattern: String.raw`^\d+(\.\d+)?[kmgtKMGT]?$` },
  ],
};

/** A glob pattern of names, or of ends of paths in a watched folder. */
export function readPattern(text: string): string {
  if (text === "" || text.split("/").includes("..") || /\p{Cc}/u.test(text))
    throw new BadValue(
      "must be a pattern of files in the watched folders, such as *.yaml or tests",
    );
  return text;
}

/** The number of an open descriptor; standard output and standard error are the server's. */
export const readDescriptor: Reader<number> = withSchema(
  { type: "integer", minimum: 0 },
  (text) => {
    if (!/^(?:0|[3-9]|[1-9]\d{1,5})$/.test(text))
      throw new BadValue("must be the number of an open socket: 0, or 3 and more");
    return Number(text);
  },
);

/** A size such as 512k, 10M, 1.5G (powers of 1,024) → bytes. */
export const readSize: Reader<number> = withSchema(SIZE, (text) => {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)$/i.exec(text);
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? ""] ?? Number.NaN;
  const bytes = Math.floor(Number(match?.[1] ?? Number.NaN) * unit);
  if (!Number.isSafeInteger(bytes))
    throw new BadValue("must be a size in bytes, such as 65536, 512k, 10M or 1G");
  return bytes;
});

/** A size between `min` and `max` bytes; `words` names both: "256 to 256K". */
export function sizeWithin(min: number, max: number, words: string): Reader<number> {
  return withSchema(SIZE, (text) => {
    const bytes = readSize(text);
    if (bytes < min || bytes > max) throw new BadValue(`must be a size from ${words}`);
    return bytes;
  });
}

/** "0660" or "660" → 0o660, the rights of a file (chmod(1)). */
export function readMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text))
    throw new BadValue("must be rights of a file in three octal digits, such as 660 or 0666");
  return Number.parseInt(text, 8);
}

/** "0027" or "27" → 0o027, the rights that new files do not get (umask(2)). */
export function readMask(text: string): number {
  if (!/^0?[0-7]{1,3}$/.test(text))
    throw new BadValue("must be rights of files in octal digits, such as 0022 or 027");
  return Number.parseInt(text, 8);
}

/** A user and a group, each a name or a number; "" = not given. */
export interface OwnerNames {
  readonly user: string;
  readonly group: string;
}

/** USER, USER:GROUP or :GROUP. */
export function readOwner(text: string): OwnerNames {
  const match = /^((?!-)[^:\p{Cc}]*)(?::((?!-)[^:\p{Cc}]+))?$/u.exec(text);
  const [, user = "", group = ""] = match ?? [];
  if (match === null || text === "")
    throw new BadValue("must be USER, USER:GROUP or :GROUP, such as www-data:www-data");
  return { user, group };
}

/** One word of `choices`. */
export function oneOf<const T extends readonly string[]>(choices: T): Reader<T[number]> {
  return withSchema({ enum: choices }, (text): T[number] => {
    const chosen = choices.find((choice) => choice === text);
    if (chosen === undefined) throw new BadValue(`must be one of ${choices.join(", ")}`);
    return chosen;
  });
}

/** Words separated by commas, each read by `reader`; spaces around a word are removed. "" is an empty list. */
export function listOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  const list: ValueSchema = { type: "array", items: { type: "string" } };
  return withSchema({ anyOf: [{ type: "string" }, list] }, (text) =>
    text.trim() === "" ? [] : text.split(",").map((word) => reader(word.trim())),
  );
}

/** An address, a CIDR range, "unix" or "*", unchanged. */
export function readNetwork(text: string): string {
  if (text === "*" || text === "unix") return text;
  const [address = "", prefix, ...rest] = text.split("/");
  const family = isIP(address);
  const longest = family === 4 ? 32 : 128;
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest);
  if (family === 0 || address.includes("%") || !isPrefix || rest.length > 0)
    throw new BadValue(
      `must be addresses or CIDR ranges separated by commas, such as 127.0.0.1,10.0.0.0/8, or unix, or *; ${quote(text)} is none`,
    );
  return text;
}

/** NAME=VALUE → [name, value]; the value may be empty and may contain "=". */
export function readAssignment(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  const name = text.slice(0, Math.max(at, 0));
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || text.includes("\0"))
    throw new BadValue("must be NAME=VALUE, such as LANG=C.UTF-8");
  return [name, text.slice(at + 1)];
}

/** A path prefix → "" or "/prefix" without a trailing slash. */
export function readPrefix(text: string): string {
  const prefix = text.replace(/\/+$/, "");
  if (prefix !== "" && !/^(\/[^/?#\s\p{Cc}]+)+$/u.test(prefix))
    throw new BadValue("must be a path that begins with /, such as /shop");
  return prefix;
}

/** A path with or without a query, as in a request line. */
export function readPath(text: string): string {
  if (!/^\/[\x21\x22\x24-\x7e]*$/.test(text))
    throw new BadValue("must be a path that begins with /, such as /start?page=1");
  return text;
}

/** A boolean in words. */
export const readBoolean: Reader<boolean> = withSchema({ type: "boolean" }, (text) => {
  if (["1", "true", "yes", "on"].includes(text.toLowerCase())) return true;
  if (["0", "false", "no", "off"].includes(text.toLowerCase())) return false;
  throw new BadValue("must be one of true, false, yes, no, on, off, 1, 0");
});

// Letters and digits that Python allows in names (PEP 3131).
const NAME = String.raw`[\p{L}_][\p{L}\p{M}\p{N}_]*`;
const DOTTED = String.raw`${NAME}(?:\.${NAME})*`;
// The worker reads the arguments of a factory (application/importer.py).
const CALLABLE = String.raw`(?::${DOTTED}(?:\([^\p{Cc}]*\))?)?`;
const MODULE_APP = new RegExp(`^${DOTTED}${CALLABLE}$`, "u");
const FILE_APP = new RegExp(String.raw`^[^\p{Cc}:]+\.py${CALLABLE}$`, "u");

const MODULE = new RegExp(`^${DOTTED}$`, "u");

/** The dotted name of a Python module. */
export function readModule(text: string): string {
  if (!MODULE.test(text)) throw new BadValue("must be the name of a module, such as numpy");
  return text;
}

/** Whether a text in place of an application may be a folder: "./public", ".". A name alone is a module. */
export function mayBeFolder(text: string): boolean {
  return text.includes("/") || text === "." || text === "..";
}

/** module, module:callable, module:factory(…) or path/to/file.py[:callable], unchanged. */
export function readApp(text: string): string {
  if (FILE_APP.test(text)) return text;
  if (text.split(":", 1)[0]?.includes("/"))
    throw new BadValue(
      "is no folder that exists, and no file of Python: write ./DIR or path/to/file.py",
    );
  if (/^index\.html?$/.test(text)) throw new BadValue("is a page: typhon . serves the files here");
  if (!MODULE_APP.test(text))
    throw new BadValue(
      "must be module:callable, module, module:factory() or path/to/file.py[:callable]",
    );
  return text;
}
