// What makes foreign text harmless in a log line: nobody but us chooses where a line or a quoted word
// ends, and no byte reaches a terminal as a command. Pure. Clients' text is latin-1 (one character a
// byte); the application's is Unicode, which stays readable.

/** Anything but printable ASCII, without the quote and the backslash. */
const UNSAFE_BYTES = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;
const UNSAFE_BYTES_ALL = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;

/** A client's text for a quoted word: quote, backslash, controls and non-ASCII as \xNN. */
export function escapeBytes(text: string): string {
  // Nearly every text is harmless: one look, no copy.
  return UNSAFE_BYTES.test(text) ? text.replaceAll(UNSAFE_BYTES_ALL, hex) : text;
}

// Controls but the tab (C0, DEL, C1), halves of surrogates, the separators that some readers take for
// line ends, and the marks that turn the direction of writing. The backslash stays: source lines in
// tracebacks are full of them, and what "\x0a" stood for is a question of reading, not of shape.
const UNSAFE_TEXT = /[^\P{Cc}\t]|[\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
const UNSAFE_TEXT_ALL = new RegExp(UNSAFE_TEXT.source, "gu");

/** The application's text, one line: controls but the tab as \xNN or \u{N}, the rest as it is. */
export function escapeText(text: string): string {
  return UNSAFE_TEXT.test(text) ? text.replaceAll(UNSAFE_TEXT_ALL, hex) : text;
}

/** What begins each further line of a text of several lines, so that none passes for a record. */
const CONTINUATION = "    | ";

/** Text that may have several lines, such as a traceback; its own line ends stay, marked. */
export function escapeLines(text: string): string {
  if (!text.includes("\n")) return escapeText(text);
  return text
    .replace(/\r?\n$/, "")
    .split(/\r?\n/)
    .map(escapeText)
    .join(`\n${CONTINUATION}`);
}

/** A field's value in a text line: bare where it is one plain word, else quoted. */
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
