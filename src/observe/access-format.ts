// Access lines of the operator's own format: its parts are made into one list of functions, once, at the start.
// Where an atom stands decides how its text is escaped: inside of quotes a client may write spaces, outside neither a
// space nor the character behind the atom, such as the comma of a format with commas. A format that begins with { is JSON.

import type { HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import { protocolOf } from "../http/message.ts";
import {
  escapedUser,
  fieldOf,
  millisecondsText,
  ownIdOf,
  statusOf,
  type AccessLines,
} from "./access-line.ts";
import { commonTime } from "./clock-text.ts";
import { escapeBytes, escapeBytesAsJson, wordEscape } from "./escape.ts";

/** Literal text, or an atom; `name`: of a header field in lower case, "" for other atoms. */
export type AccessPart = string | { readonly atom: string; readonly name: string };

type Value = (exchange: Exchange, now: number, totalMs: number) => string;
type Escape = (text: string) => string;

/** Atoms whose text is the server's own, or a number: nothing of it has to be escaped. */
const SAFE: Readonly<Record<string, Value>> = {
  l: () => "-",
  t: (_exchange, now) => `[${commonTime(now)}]`,
  s: (exchange) => String(statusOf(exchange)),
  b: ({ bytesSent }) => (bytesSent === 0 ? "-" : String(bytesSent)),
  B: ({ bytesSent }) => String(bytesSent),
  T: (_exchange, _now, totalMs) => String(Math.floor(totalMs / 1000)),
  D: (_exchange, _now, totalMs) => String(Math.round(totalMs * 1000)),
  M: (_exchange, _now, totalMs) => String(Math.round(totalMs)),
  L: (_exchange, _now, totalMs) => (totalMs / 1000).toFixed(6),
  p: () => `<${process.pid}>`,
  port: ({ remotePort }) => String(remotePort),
  scheme: ({ scheme }) => scheme,
  worker: ({ handling }) => (handling.worker === 0 ? "-" : String(handling.worker)),
  queue_ms: ({ handling }) => millisecondsText(handling.queuedMs),
  app_ms: ({ handling }) => millisecondsText(handling.runMs),
  total_ms: (_exchange, _now, totalMs) => millisecondsText(totalMs),
  error: ({ errorCode }) => errorCode || "-",
  received: ({ bytesReceived }) => String(bytesReceived),
  H: ({ sentHead }) => protocolOf(sentHead),
};

/** Atoms with text of clients, operators or applications. */
const TEXTS: Readonly<Record<string, Value>> = {
  h: ({ remoteAddress }) => remoteAddress || "-",
  m: ({ sentHead }) => sentHead.method,
  U: ({ sentHead }) => sentHead.path,
  q: ({ sentHead }) => sentHead.query,
  f: ({ sentHead }) => fieldOf(sentHead, "referer") ?? "-",
  a: ({ sentHead }) => fieldOf(sentHead, "user-agent") ?? "-",
  id: ({ requestId }) => requestId || "-",
  response_id: (exchange) => ownIdOf(exchange) || "-",
  target: ({ sentHead }) => sentHead.target,
  application: ({ application }) => application || "-",
};

/** A message that was refused before it became a request: what is known of it, but for its client's address. */
const REFUSED: Readonly<Record<string, (error: HttpError, now: number) => string>> = {
  s: ({ status }) => String(status),
  error: ({ code }) => code,
  t: (_error, now) => `[${commonTime(now)}]`,
  q: () => "",
  ...Object.fromEntries(
    ["B", "T", "D", "M", "L", "received", "port"].map((atom) => [atom, () => "0"]),
  ),
};
const UNKNOWN = (): string => "-";

/** The names of all atoms but those of fields, "i" and "o". */
export const ATOM_NAMES: readonly string[] = [
  ...Object.keys(SAFE),
  ...Object.keys(TEXTS),
  "r",
  "u",
];

/** Makes the lines of a format. */
export function linesOf(parts: readonly AccessPart[]): AccessLines {
  const [first] = parts;
  const isJson = typeof first === "string" && first.trimStart().startsWith("{");
  const values: Value[] = [];
  const refusals: AccessLines["refusal"][] = [];
  const literals = [""];
  let isQuoted = false;
  for (const [at, part] of parts.entries()) {
    if (typeof part === "string") {
      literals[literals.length - 1] += part;
      if (part.split('"').length % 2 === 0) isQuoted = !isQuoted;
      continue;
    }
    const next = parts[at + 1];
    const asWord = wordEscape(typeof next === "string" && part.atom !== "h" ? next.charAt(0) : "");
    const escape = isJson ? escapeBytesAsJson : isQuoted ? escapeBytes : asWord;
    values.push(valueOf(part, escape));
    const refused = REFUSED[part.atom] ?? UNKNOWN;
    refusals.push(
      part.atom === "h"
        ? (address) => escape(address || "-")
        : (_address, error, now) => refused(error, now),
    );
    literals.push("");
  }
  literals[literals.length - 1] += "\n";
  return {
    line: (exchange, now, totalMs) =>
      join(literals, values.length, (at) => values[at]?.(exchange, now, totalMs) ?? ""),
    refusal: (address, error, now) =>
      join(literals, refusals.length, (at) => refusals[at]?.(address, error, now) ?? ""),
  };
}

function join(literals: readonly string[], count: number, textOf: (at: number) => string): string {
  let line = literals[0] ?? "";
  for (let at = 0; at < count; at += 1) line += textOf(at) + (literals[at + 1] ?? "");
  return line;
}

function valueOf({ atom, name }: Exclude<AccessPart, string>, escape: Escape): Value {
  const safe = SAFE[atom];
  if (safe !== undefined) return safe;
  switch (atom) {
    case "i":
      return ({ sentHead }) => escape(fieldOf(sentHead, name) ?? "-");
    case "o":
      return (exchange) => escape(responseFieldOf(exchange, name) ?? "-");
    case "u":
      return ({ user }) =>
        user === "-" && escape !== escapeBytesAsJson ? escapedUser(user) : escape(user || "-");
    case "r":
      // The spaces in it are the server's own.
      return ({ sentHead }) =>
        `${escape(sentHead.method)} ${escape(sentHead.target)} ${protocolOf(sentHead)}`;
    default: {
      const text = TEXTS[atom];
      if (text === undefined) throw new Error(`no atom ${atom}`);
      return (exchange, now, totalMs) => escape(text(exchange, now, totalMs));
    }
  }
}

/** A field of the response; those that an engine adds are not among them, but for X-Request-ID. */
function responseFieldOf({ responseHead, requestId }: Exchange, name: string): string | null {
  const at = responseHead?.names.findIndex((one) => one.toLowerCase() === name) ?? -1;
  if (at !== -1) return responseHead?.values[at] ?? null;
  return name === "x-request-id" && responseHead !== null ? requestId : null;
}
