// Splits the command line into flags with their texts and the application's name. Values are checked
// elsewhere (sources.ts). Flags of other servers become texts for ours (foreign-texts.ts). util.parseArgs splits; its
// errors are replaced by ours, which name the nearest flag and the remedy in one line.

import { parseArgs } from "node:util";

import { FOREIGN_OPTIONS } from "./foreign-options.ts";
import {
  foreignFlag,
  isOwnText,
  NO_FOREIGN_TEXTS,
  translate,
  type ForeignTexts,
  type ForeignWord,
} from "./foreign-texts.ts";
import { nearestWord } from "./nearest.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { APP, OPTION_LIST, OPTIONS, SWITCHES } from "./schema.ts";

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
  /** Texts of flags that other servers have, for options of ours. */
  readonly foreign: ForeignTexts;
}

export const NO_FLAGS: Flags = {
  wantsHelp: false,
  wantsVersion: false,
  app: null,
  texts: new Map(),
  foreign: NO_FOREIGN_TEXTS,
};

/** The names of all options that are given. */
export function givenOptions({ texts, foreign }: Flags): string[] {
  return [...texts.keys(), ...foreign.texts.map(({ option }) => option)];
}

/** Whether a word of the command line says what `typhon check` says. */
export function asksForCheck({ foreign }: Flags): boolean {
  return foreign.texts.some(({ option }) => option === "check");
}

/** Reads the words after the command's name. Throws OperatorError. */
export function readFlags(given: readonly string[]): Flags {
  const known = knownFlags();
  // Not strict, so that unknown flags come as tokens too, and the error lines can be ours.
  const { tokens } = parseArgs({
    args: joinOptionalValues(given),
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
  if (wantsHelp || wantsVersion) return { ...NO_FLAGS, wantsHelp, wantsVersion };

  const texts = new Map<string, string[]>();
  const words: ForeignWord[] = [];
  // With -k the command is gunicorn's, whose --timeout depends on it.
  const isGunicorn = wants("worker-class");
  for (const token of options) {
    const type = known[token.name]?.type;
    if (type === undefined) throw unknownFlag(token.rawName);
    const [name, text] = type === "boolean" ? readSwitch(token) : readOption(token);
    const row = foreignFlag(name);
    if (row !== null && (isGunicorn || !isOwnText(row, name, text)))
      words.push({ row, by: token.rawName, text });
    else texts.set(name, type === "boolean" ? [text] : [...(texts.get(name) ?? []), text]);
  }
  const foreign = translate(words, true);
  const [app = null, surplus] = [
    ...tokens.flatMap((token) => (token.kind === "positional" ? [token.value] : [])),
    ...foreign.texts.flatMap(({ option, text }) => (option === APP.name ? [text] : [])),
  ];
  if (surplus !== undefined)
    throw new OperatorError(
      `unexpected ${quote(surplus)}: one application is served, and it is ${quote(app ?? "")}`,
    );
  return { ...NO_FLAGS, app, texts, foreign };
}

type Known = Record<string, { type: "string" | "boolean"; short?: string }>;
type OptionToken = Extract<
  NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number],
  { kind: "option" }
>;

function knownFlags(): Known {
  const known: Known = {};
  const letters = new Set<string>();
  const add = (name: string, short: string | null, takesValue: boolean): void => {
    if (known[name] !== undefined) return;
    const type = takesValue ? "string" : "boolean";
    known[name] = short === null || letters.has(short) ? { type } : { type, short };
    if (short !== null) letters.add(short);
  };
  for (const { name, short, placeholder } of [...OPTION_LIST, ...SWITCHES])
    if (short !== null) add(name, short, placeholder !== null);
  for (const { name, placeholder } of [...OPTION_LIST, ...SWITCHES])
    add(name, foreignFlag(name)?.short ?? null, placeholder !== null);
  for (const { name, placeholder } of OPTION_LIST)
    if (placeholder === null) add(NO + name, null, false);
  for (const { flags, short, takesValue } of FOREIGN_OPTIONS)
    for (const [at, flag] of flags.entries()) add(flag, at === 0 ? short : null, takesValue);
  return known;
}

/**
 * uvicorn's --access-log has no value: it is "-". gunicorn's --proxy-protocol may have one. The words with such values
 * written behind "=".
 */
function joinOptionalValues(words: readonly string[]): string[] {
  const joined: string[] = [];
  const end = words.indexOf("--");
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    const next = words[at + 1];
    const isFlag = end === -1 || at < end;
    if (isFlag && word === "--access-log" && (next === undefined || FLAG.test(next)))
      joined.push(`${word}=-`);
    else if (isFlag && word === "--proxy-protocol" && /^(?:off|v1|v2|auto)$/.test(next ?? "")) {
      joined.push(`${word}=${next ?? ""}`);
      at += 1;
    } else joined.push(word);
  }
  return joined;
}

/** The name and the text of an option with a value. */
function readOption({ name, rawName, value, inlineValue }: OptionToken): [string, string] {
  if (value === undefined || (!inlineValue && FLAG.test(value)))
    throw new OperatorError(`${rawName} needs a value; see typhon --help`);
  // gunicorn's -p names the PID file.
  const isPidFile = rawName === "-p" && !/^\d*$/.test(value);
  return [isPidFile ? OPTIONS.pid.name : name, value];
}

/** The name and the text of an option without a value: --health, --health=off or --no-health. */
function readSwitch({ name, rawName, value }: OptionToken): [string, string] {
  if (!name.startsWith(NO) || foreignFlag(name) !== null) return [name, value ?? "true"];
  if (value !== undefined) throw new OperatorError(`${rawName} takes no value`);
  return [name.slice(NO.length), "false"];
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
