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

// Control characters but the tab (C0, DEL, C1), lone surrogates, the separators that some programs take for
// line ends, and the marks that change the direction of writing. The backslash is not escaped, because
// source lines in tracebacks are full of backslashes. So "\x0a" in a log is either an escaped line end or
// these four characters; neither can break a line.
const UNSAFE_TEXT = /[^\P{Cc}\t]|[\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
const UNSAFE_TEXT_ALL = new RegExp(UNSAFE_TEXT.source, "gu");

/** One line of the application's text: control characters but the tab as \xNN or \u{N}, all else unchanged. */
export function escapeText(text: string): string {
  return UNSAFE_TEXT.test(text) ? text.replaceAll(UNSAFE_TEXT_ALL, hex) : text;
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
