// What one option is: its names, its words, and how its text is read. The tables are in table/, one file
// a heading.

import { readBoolean, type Reader } from "./values.ts";

/** The headings of `--help` and docs/options.md, in their order. */
export const GROUPS = [
  "Address",
  "Application",
  "Workers",
  "Times",
  "Limits",
  "WebSockets",
  "Logs",
  "Process",
] as const;
type Group = (typeof GROUPS)[number];

/** One option with a value. */
export interface Option<T> {
  /** The flag without its dashes. */
  readonly name: string;
  /** The letter of the short flag, or null. */
  readonly short: string | null;
  readonly group: Group;
  /** What stands for the value in help: its type and unit; null: it takes none, it is said or not. */
  readonly placeholder: string | null;
  readonly isRepeatable: boolean;
  /** Text of the default, read as if it had been given; null where load.ts finds one. */
  readonly fallback: string | null;
  /** The default in words, where it is not a plain value. */
  readonly fallbackWords: string | null;
  /** A variable that other servers and platforms know, looked at after TYPHON_…. */
  readonly otherVariable: string | null;
  /** Half a line for `--help`. */
  readonly help: string;
  /** Sentences for docs/options.md. */
  readonly doc: string;
  /** The value of a text; throws BadValue. */
  readonly read: Reader<T>;
}

type Given<T> = Pick<Option<T>, "name" | "placeholder" | "help" | "doc" | "read"> &
  Partial<Option<T>>;

/** Makes the options of one heading. */
export function inGroup(group: Group): <T>(given: Given<T>) => Option<T> {
  return (given) => ({
    short: null,
    isRepeatable: false,
    fallback: null,
    fallbackWords: null,
    otherVariable: null,
    ...given,
    group,
  });
}

/** What an option without a value is made of: not said is false. */
export const SWITCH = {
  placeholder: null,
  fallback: "false",
  fallbackWords: "off",
  read: readBoolean,
} as const;
