// The syntax of .env files, with the rules of python-dotenv, which most Python programs read such files by: a test
// compares both. Pure. A line that has no name, no "=" or an open quote is left out, as there.
//
//   [export] NAME = value # comment     '…' keeps all but \' and \\     "…" has \n, \t and the like; both may have lines

/** Reads a text from its begin to its end, a piece at a time. */
class Pieces {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** The piece that a sticky pattern finds here; null: there is none, and nothing is read. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }
}

const SPACE = /\s*/y;
const EXPORT = /export[^\S\r\n]+/y;
const NAME = /'([^']+)'|(?!')([^=#\s]+)/y;
const BLANKS = /[^\S\r\n]*/y;
const SIGN = /=([^\S\r\n]*)/y;
const QUOTE = /(?=['"])/y;
const SINGLE = /'((?:\\.|[^'\\])*)'/sy;
const DOUBLE = /"((?:\\.|[^"\\])*)"/sy;
const PLAIN = /[^\r\n]*/y;
const COMMENT = /[^\S\r\n]*#[^\r\n]*/y;
const LINE_END = /[^\S\r\n]*(?:\r\n|\n|\r|$)/y;
const REST = /[^\r\n]*(?:\r\n|\n|\r|$)/y;

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
/** ${NAME} and ${NAME:-default}. A name has a limit, so that a text of many "${" is read once. */
const REFERENCE = /\$\{([^}:]{0,256})(?::-([^}]*))?\}/g;

/** The names and values of a text, in their order; a name may be repeated. References are left as they are. */
export function parseEnvText(text: string): (readonly [name: string, value: string])[] {
  const pieces = new Pieces(text);
  const entries: (readonly [string, string])[] = [];
  while (!pieces.isAtEnd) {
    const entry = takeEntry(pieces);
    if (entry === null) pieces.take(REST);
    else if (entry.value !== null) entries.push([entry.name, entry.value]);
  }
  return entries;
}

/**
 * `value` with the values of the names that it refers to; a name without a value has its default, else "". Null: that
 * is more than `most` characters.
 */
export function expandReferences(
  value: string,
  valueOf: (name: string) => string | undefined,
  most: number,
): string | null {
  // Behind the last brace no reference ends.
  const end = value.lastIndexOf("}") + 1;
  let length = value.length;
  const expanded = value
    .slice(0, end)
    .replaceAll(REFERENCE, (reference, name: string, usual: string | undefined) => {
      const text = valueOf(name) ?? usual ?? "";
      length += text.length - reference.length;
      return length > most ? "" : text;
    });
  return length > most ? null : expanded + value.slice(end);
}

/** Null: what is here is no entry. A name without "=" has no value. */
function takeEntry(pieces: Pieces): { name: string; value: string | null } | null {
  pieces.take(SPACE);
  pieces.take(EXPORT);
  const found = pieces.take(NAME);
  if (found === null) return null;
  const name = found[1] ?? found[2] ?? "";
  pieces.take(BLANKS);
  const blanks = pieces.take(SIGN)?.[1];
  let value: string | null = null;
  if (blanks !== undefined) {
    value = takeValue(pieces, blanks !== "");
    if (value === null) return null;
  }
  pieces.take(COMMENT);
  return pieces.take(LINE_END) === null ? null : { name, value };
}

/** Null: a quote is not closed. `isApart`: blanks stand before the value. */
function takeValue(pieces: Pieces, isApart: boolean): string | null {
  if (pieces.take(QUOTE) === null) {
    const [text = ""] = pieces.take(PLAIN) ?? [];
    // "A= # comment" has no value, "A=#b" has.
    return isApart && text.startsWith("#") ? "" : text.replace(/(?<!\s)\s+#.*$/s, "").trimEnd();
  }
  const single = pieces.take(SINGLE)?.[1];
  if (single !== undefined) return single.replaceAll(/\\([\\'])/g, "$1");
  const double = pieces.take(DOUBLE)?.[1];
  return (
    double?.replaceAll(/\\([\\'"abfnrtv])/g, (_, sign: string) => ESCAPES[sign] ?? sign) ?? null
  );
}
