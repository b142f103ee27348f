// Splits the command line into flags with their texts and the application's name. Values are checked
// elsewhere (sources.ts). util.parseArgs splits; its errors are replaced by ours, which name the nearest flag
// and the remedy in one line.

import { parseArgs } from "node:util";

import { nearestWord } from "./nearest.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { OPTION_LIST, SWITCHES } from "./schema.ts";

/** `--no-health` turns off what the file or a variable has turned on; so it is for each option without a value. */
const NO = "no-";
/** A word that is no value: "--name" or "-n". */
const FLAG = /^--|^-[A-Za-z]$/;

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
  const known = knownFlags();
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
      texts.set(...readSwitch(token));
      continue;
    }
    const isNextFlag = token.inlineValue === false && FLAG.test(token.value);
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

function knownFlags(): Record<string, { type: "string" | "boolean"; short?: string }> {
  const known: ReturnType<typeof knownFlags> = {};
  for (const { name, short, placeholder } of [...OPTION_LIST, ...SWITCHES]) {
    const type = placeholder === null ? "boolean" : "string";
    known[name] = short === null ? { type } : { type, short };
  }
  for (const { name, placeholder } of OPTION_LIST)
    if (placeholder === null) known[NO + name] = { type: "boolean" };
  return known;
}

/** The name and the text of an option without a value: --health, --health=off or --no-health. */
function readSwitch(token: {
  name: string;
  rawName: string;
  value?: string | undefined;
}): [string, string[]] {
  const { name, rawName, value } = token;
  if (!name.startsWith(NO)) return [name, [value ?? "true"]];
  if (value !== undefined) throw new OperatorError(`${rawName} takes no value`);
  return [name.slice(NO.length), ["false"]];
}

function unknownFlag(rawName: string): OperatorError {
  const off = OPTION_LIST.filter(({ placeholder }) => placeholder === null);
  const flags = [
    ...[...OPTION_LIST, ...SWITCHES].map(({ name }) => `--${name}`),
    ...off.map(({ name }) => `--${NO}${name}`),
  ];
  const nearest = rawName.startsWith("--") ? nearestWord(rawName, flags) : null;
  const remedy = nearest === null ? "see typhon --help" : `did you mean ${nearest}?`;
  return new OperatorError(`unknown option ${rawName}; ${remedy}`);
}
