// From the words of the command line to the texts of options: which flags stand there, how often,
// and which word is the application. Values are not looked at here. Split by util.parseArgs; its own
// complaints are replaced, because ours name the nearest flag and the remedy in one line.

import { parseArgs } from "node:util";

import { nearestWord } from "./nearest.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { OPTION_LIST, SWITCHES } from "./schema.ts";

/** What the command line says. */
export interface Flags {
  readonly wantsHelp: boolean;
  readonly wantsVersion: boolean;
  /** The application, or null if none was named. */
  readonly app: string | null;
  /** The texts of each option by its name, in the order given. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

/** Reads the words after the command's name. Throws OperatorError. */
export function readFlags(words: readonly string[]): Flags {
  const known: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const { name, short, placeholder } of [...OPTION_LIST, ...SWITCHES]) {
    const type = placeholder === null ? "boolean" : "string";
    known[name] = short === null ? { type } : { type, short };
  }

  // Not strict: then every word comes as a token, also those that we have to complain about.
  const { tokens } = parseArgs({
    args: [...words],
    options: known,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const options = tokens.filter((token) => token.kind === "option");
  const wants = (name: string): boolean => options.some((token) => token.name === name);
  const wantsHelp = wants("help");
  const wantsVersion = wants("version");
  // Who asks for help gets it, whatever else stands there.
  if (wantsHelp || wantsVersion) return { wantsHelp, wantsVersion, app: null, texts: new Map() };

  const texts = new Map<string, string[]>();
  for (const token of options) {
    const type = known[token.name]?.type;
    if (type === undefined) throw unknownFlag(token.rawName);
    if (type === "boolean") {
      texts.set(token.name, [token.value ?? "true"]);
      continue;
    }
    const isNextFlag = token.inlineValue === false && token.value.startsWith("--");
    if (token.value === undefined || isNextFlag)
      throw new OperatorError(`${token.rawName} needs a value; see typhon --help`);
    texts.set(token.name, [...(texts.get(token.name) ?? []), token.value]);
  }
  const [app = null, surplus] = tokens
    .filter((token) => token.kind === "positional")
    .map((token) => token.value);
  if (surplus !== undefined)
    throw new OperatorError(
      `unexpected ${quote(surplus)}: one application is served, here ${quote(app ?? "")}`,
    );
  return { wantsHelp, wantsVersion, app, texts };
}

function unknownFlag(rawName: string): OperatorError {
  const flags = [...OPTION_LIST, ...SWITCHES].map((option) => `--${option.name}`);
  const nearest = rawName.startsWith("--") ? nearestWord(rawName, flags) : null;
  const remedy = nearest === null ? "see typhon --help" : `did you mean ${nearest}?`;
  return new OperatorError(`unknown option ${rawName}; ${remedy}`);
}
