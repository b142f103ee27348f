// The shape of one option: its names, its help texts, and the function that reads its value. The table of all
// options is in schema.ts.

import { readBoolean, type Reader } from "./values.ts";

/** The headings of `--help` and docs/options.md, in order. */
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
  /** The value's type and unit for the help, such as "SECONDS"; null for a flag without a value. */
  readonly placeholder: string | null;
  readonly isRepeatable: boolean;
  /** The default as text, read like a given value; null if load.ts determines the default. */
  readonly fallback: string | null;
  /** The default in words, if the plain value would not explain it. */
  readonly fallbackWords: string | null;
  /** A variable of other servers and platforms, used if TYPHON_… is not set. */
  readonly otherVariable: string | null;
  /** A short phrase for `--help`. */
  readonly help: string;
  /** Sentences for docs/options.md. */
  readonly doc: string;
  /** Reads the value from its text; throws BadValue. */
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

/** The common part of all flags without a value; their default is false. */
export const SWITCH = {
  placeholder: null,
  fallback: "false",
  fallbackWords: "off",
  read: readBoolean,
} as const;
