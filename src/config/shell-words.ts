// Words of a command line in a variable (GUNICORN_CMD_ARGS), split as Python's shlex.split does: blanks end a word,
// quotes hold blanks, a backslash takes the next character as it is, but between single quotes it is a backslash. Pure.

import { OperatorError } from "./operator-error.ts";

const BLANK = new Set([" ", "\t", "\r", "\n"]);
/** The characters that a backslash between double quotes escapes. */
const ESCAPED = new Set(['"', "\\"]);

/** The words of `text`. `by`: what gave it. Throws OperatorError if a quote is not closed. */
export function splitShellWords(text: string, by: string): string[] {
  const words: string[] = [];
  // Null: between two words. A pair of quotes alone is an empty word.
  let word: string | null = null;
  let quote = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    const mayEscape = quote === "" || (quote === '"' && ESCAPED.has(text.charAt(at + 1)));
    if (character === "\\" && mayEscape) {
      at += 1;
      if (at === text.length) throw new OperatorError(`${by} ends with a backslash`);
      word = (word ?? "") + text.charAt(at);
    } else if (quote !== "") {
      if (character === quote) quote = "";
      else word = (word ?? "") + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (!BLANK.has(character)) {
      word = (word ?? "") + character;
    } else if (word !== null) {
      words.push(word);
      word = null;
    }
  }
  if (quote !== "") throw new OperatorError(`${by} has a quote ${quote} that is not closed`);
  return word === null ? words : [...words, word];
}
