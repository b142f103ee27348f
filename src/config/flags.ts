// Splits the command line into flags with their texts and the application's name. Values are checked
// elsewhere (sources.ts). util.parseArgs splits; its errors are replaced by ours, which name the nearest flag
// and the remedy in one line.

import { parseArgs } from "node:util";

import { nearestWord } from "./nearest.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { OPTION_LIST, SWITCHES } from "./schema.ts";

/** The content of the command line. */
export interface Flags {
  readonly wantsHelp: boolean;
  readonly wantsVersion: boolean;
  /** The application, or null if none was named. */
  readonly app: string | null;
  /** The texts of each option, by the option's name, in the order given. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

/** Reads the words after the command's name. Throws OperatorError. */
export function readFlags(words: readonly string[]): Flags {
  const known: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const { name, short, placeholder } of [...OPTION_LIST, ...SWITCHES]) {
    const type = placeholder === null ? "boolean" : "string";
    known[name] = short === null ? { type } : { type, short };
  }

  // Not strict, so that unknown flags come as tokens too, and the error lines can be ours.
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
  // --help and --version win over everything else, mistakes included.
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
      `unexpected ${quote(surplus)}: one application is served, and it is ${quote(app ?? "")}`,
    );
  return { wantsHelp, wantsVersion, app, texts };
}

function unknownFlag(rawName: string): OperatorError {
  const flags = [...OPTION_LIST, ...SWITCHES].map((option) => `--${option.name}`);
  const nearest = rawName.startsWith("--") ? nearestWord(rawName, flags) : null;
  const remedy = nearest === null ? "see typhon --help" : `did you mean ${nearest}?`;
  return new OperatorError(`unknown option ${rawName}; ${remedy}`);
}
