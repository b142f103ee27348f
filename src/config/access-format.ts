// The value of --access-log-format: gunicorn's atoms, "%(h)s %({x-tenant}i)s", and a few of our own, taken apart.
// An atom that cannot be known is a mistake at the start, not a "-" in every line.

import type { AccessFormat, AccessPart } from "./configuration.ts";
import { BadValue, withSchema, type Reader } from "./values.ts";

/** The formats that have a name and are not made of atoms. */
const WORDS = ["text", "json"] as const;

const COMMON = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s';
const NAMED: ReadonlyMap<string, string> = new Map([
  ["common", COMMON],
  ["combined", `${COMMON} "%(f)s" "%(a)s"`],
]);

/** What each atom is, for docs/guide/logging.md and for the check of a format. */
export const ATOMS: ReadonlyMap<string, string> = new Map([
  ["h", "the client's address, behind a trusted proxy that of the proxy's client"],
  ["l", "always `-`"],
  ["u", "the user whose password a route has found right, else `-`"],
  ["t", "the time, `[21/Nov/2026:09:30:01 +0000]`"],
  ["r", "the request line, `GET /a?b=c HTTP/1.1`"],
  ["m", "the method"],
  ["U", "the path as sent, without the query"],
  ["q", "the query as sent, without `?`"],
  ["H", "the protocol, `HTTP/1.1`"],
  ["s", "the status; 499 if the client left before a response"],
  ["b", "bytes of the response's body, `-` for none"],
  ["B", "bytes of the response's body"],
  ["f", "the Referer field"],
  ["a", "the User-Agent field"],
  ["T", "the time of the request in whole seconds"],
  ["D", "the same in microseconds"],
  ["M", "the same in milliseconds"],
  ["L", "the same in seconds with six decimals"],
  ["p", "the server's process id, `<1234>`"],
  ["id", "the request's id"],
  ["response_id", "the X-Request-ID that the application has set, if it is another one"],
  ["scheme", "`http` or `https`, `ws` or `wss`"],
  ["target", "the request target as sent"],
  ["port", "the client's port"],
  ["worker", "the number of the worker, `-` for none"],
  ["application", "the application's name, where there are several"],
  ["queue_ms", "milliseconds in the queue, with one decimal"],
  ["app_ms", "milliseconds in the application"],
  ["total_ms", "milliseconds in all"],
  ["error", "the code of the server's own error response (docs/errors.md)"],
  ["received", "bytes of the request's body"],
]);

/** Variables of an environ, as atoms. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ["REMOTE_ADDR", "h"],
  ["REMOTE_USER", "u"],
  ["REMOTE_PORT", "port"],
  ["REQUEST_METHOD", "m"],
  ["PATH_INFO", "U"],
  ["QUERY_STRING", "q"],
  ["RAW_URI", "target"],
  ["REQUEST_URI", "target"],
  ["SERVER_PROTOCOL", "H"],
  ["wsgi.url_scheme", "scheme"],
]);

const MAX_CHARACTERS = 4096;
const FIELD_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
// "%%", an atom, or a percent sign that is neither.
const PIECE = /%%|%\((?:\{([^}]*)\}([a-z])|([^){}]*))\)[sd]|%/g;

/** Reads a format. Throws BadValue. */
export const readAccessFormat: Reader<AccessFormat> = withSchema(
  { type: "string", minLength: 1 },
  (text): AccessFormat => {
    const word = WORDS.find((one) => one === text);
    if (word !== undefined) return word;
    const parts = parse(NAMED.get(text) ?? text);
    if (parts.every((part) => typeof part === "string"))
      throw new BadValue(
        "must be text, json, common or combined, or have atoms of gunicorn's, such as %(h)s %(s)s",
      );
    return parts;
  },
);

function parse(format: string): readonly AccessPart[] {
  if (format.length > MAX_CHARACTERS)
    throw new BadValue(`must have at most ${MAX_CHARACTERS} characters`);
  if (/\p{Cc}/u.test(format.replaceAll("\t", "")))
    throw new BadValue("must be one line, without control characters");
  const parts: AccessPart[] = [];
  let literal = "";
  let end = 0;
  for (const found of format.matchAll(PIECE)) {
    const [piece, name, kind, atom] = found;
    literal += format.slice(end, found.index);
    end = found.index + piece.length;
    if (piece === "%%") {
      literal += "%";
      continue;
    }
    parts.push(literal, atomOf(piece, name, kind, atom));
    literal = "";
  }
  return [...parts, literal + format.slice(end)].filter((part) => part !== "");
}

function atomOf(
  piece: string,
  name: string | undefined,
  kind: string | undefined,
  atom: string | undefined,
): AccessPart {
  if (atom !== undefined && ATOMS.has(atom)) return { atom, name: "" };
  if (name !== undefined && (kind === "i" || kind === "o") && FIELD_NAME.test(name))
    return { atom: kind, name: name.toLowerCase() };
  if (name !== undefined && kind === "e") return variable(name);
  if (piece === "%")
    throw new BadValue(
      "has a % that begins no atom: atoms are %(h)s or %({name}i)s, and %% is a %",
    );
  throw new BadValue(
    `has an unknown atom ${piece}; there are ${[...ATOMS.keys()].join(", ")}, {NAME}i, {NAME}o and {NAME}e`,
  );
}

function variable(name: string): AccessPart {
  const known = VARIABLES.get(name);
  if (known !== undefined) return { atom: known, name: "" };
  const field = /^(?:HTTP_)?(CONTENT_(?:TYPE|LENGTH))$/.exec(name) ?? /^HTTP_(\w+)$/.exec(name);
  if (field?.[1] !== undefined)
    return { atom: "i", name: field[1].toLowerCase().replaceAll("_", "-") };
  throw new BadValue(
    `has the variable ${name}, which the front does not know; there are ${[...VARIABLES.keys()].join(", ")}, CONTENT_TYPE, CONTENT_LENGTH and HTTP_…`,
  );
}
