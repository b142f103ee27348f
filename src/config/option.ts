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
  /** The flag without its dashes, such as "max-body". */
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

type Given<T> = Pick<Option<T>, "placeholder" | "help" | "doc" | "read"> & Partial<Option<T>>;

/** Makes the options of one heading. An option's name is its key: `maxBody` is --max-body. */
export function inGroup<V extends object>(
  group: Group,
  table: { readonly [K in keyof V]: Given<V[K]> },
): { readonly [K in keyof V]: Option<V[K]> };
export function inGroup(
  group: Group,
  table: Readonly<Record<string, Given<unknown>>>,
): Readonly<Record<string, Option<unknown>>> {
  const options: Record<string, Option<unknown>> = {};
  for (const [key, given] of Object.entries(table))
    options[key] = {
      short: null,
      isRepeatable: false,
      fallback: null,
      fallbackWords: null,
      otherVariable: null,
      ...given,
      name: key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      group,
    };
  return options;
}

/** The common part of all flags without a value; their default is false. */
export const SWITCH = {
  placeholder: null,
  fallback: "false",
  fallbackWords: "off",
  read: readBoolean,
} as const;
