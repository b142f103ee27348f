// Escapes text of clients and applications for a log line: such text can end neither a line nor a quoted
// field, and no control sequence reaches a terminal. Pure. Clients' text is latin-1 (one character a
// byte); the application's text is Unicode and stays readable.

/** Any character but printable ASCII; the quote and the backslash count as unsafe too. */
const UNSAFE_BYTES = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;
const UNSAFE_BYTES_ALL = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;

/** A client's text for a quoted field: quote, backslash, control characters and non-ASCII as \xNN. */
export function escapeBytes(text: string): string {
  // Nearly every text is harmless, and then it is tested once and not copied.
  return UNSAFE_BYTES.test(text) ? text.replaceAll(UNSAFE_BYTES_ALL, hex) : text;
}

/** The same for a field without quotes, which a space would end. */
export function escapeWord(text: string): string {
  const escaped = escapeBytes(text);
  return escaped.includes(" ") ? escaped.replaceAll(" ", String.raw`\x20`) : escaped;
}

/** The same for a field that `end` ends: a character of punctuation, "" or any other one for a space. */
export function wordEscape(end: string): (text: string) => string {
  if (!/^[!-~]$/.test(end) || /^[\w"\\]$/.test(end)) return escapeWord;
  const escapedEnd = hex(end);
  return (text) => {
    const escaped = escapeWord(text);
    return escaped.includes(end) ? escaped.replaceAll(end, escapedEnd) : escaped;
  };
}

/** The same for a text of JSON. */
export function escapeBytesAsJson(text: string): string {
  return UNSAFE_BYTES.test(text) ? text.replaceAll(UNSAFE_BYTES_ALL, jsonEscape) : text;
}

// Controls (C0, DEL, C1), line and paragraph separators, half characters, and format characters: marks of the
// direction of writing, zero-width characters, tags. They break a line, command a terminal, or make a line look
// like another one.
const INVISIBLE = String.raw`\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}`;
const INVISIBLE_ALL = new RegExp(`[${INVISIBLE}]`, "gu");
// The backslash is not escaped, because source lines in tracebacks are full of backslashes. So "\x0a" in a log is
// either an escaped line end or these four characters; neither can break a line.
const UNSAFE_TEXT_ALL = new RegExp(String.raw`(?!\t)[${INVISIBLE}]`, "gu");
/** Nearly every line has only these characters, and is not looked at further. */
const NOT_PLAIN = /[^\x20-\x7e]/;

/** One line of the application's text: invisible characters but the tab as \xNN or \u{N}, all else unchanged. */
export function escapeText(text: string): string {
  return NOT_PLAIN.test(text) ? text.replaceAll(UNSAFE_TEXT_ALL, hex) : text;
}

/** A value as JSON without invisible characters: JSON.stringify escapes only C0, the quote and half characters. */
export function jsonText(value: object): string {
  const json = JSON.stringify(value);
  return NOT_PLAIN.test(json) ? json.replaceAll(INVISIBLE_ALL, jsonEscape) : json;
}

/** Put before the second and each later line of a text, so that no such line looks like a log record. */
const CONTINUATION = "    | ";

/** Text that may have several lines, such as a traceback. Line ends stay; each later line is marked. */
export function escapeLines(text: string): string {
  if (!text.includes("\n")) return escapeText(text);
  return text
    .replace(/\r?\n$/, "")
    .split(/\r?\n/)
    .map(escapeText)
    .join(`\n${CONTINUATION}`);
}

/** A field's value in a text line: without quotes if it is one plain word, else quoted. */
export function escapeValue(value: string): string {
  if (/^[\w.:/@%+,~[\]()-]+$/.test(value)) return value;
  return `"${escapeText(value.replaceAll("\\", String.raw`\x5c`))
    .replaceAll('"', String.raw`\x22`)
    .replaceAll("\t", String.raw`\x09`)}"`;
}

function hex(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xff ? `\\u{${code.toString(16)}}` : `\\x${code.toString(16).padStart(2, "0")}`;
}

/** A character as JSON's \uNNNN; as two of them above U+FFFF. */
function jsonEscape(character: string): string {
  let escaped = "";
  for (let at = 0; at < character.length; at += 1)
    escaped += String.raw`\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  return escaped;
}
