// The shape of one option: its names, its help texts, and the function that reads its value. The table of all
// options is in schema.ts.

import { readBoolean, type Reader } from "./values.ts";

/** The headings of `--help` and docs/options.md, in order. */
export const GROUPS = [
  "Site",
  "Address",
  "TLS",
  "ACME",
  "Application",
  "CGI",
  "Workers",
  "Times",
  "Limits",
  "WebSockets",
  "Logs",
  "Process",
] as const;
type Group = (typeof GROUPS)[number] | "Routes";

/** One option with a value. */
export interface Option<T> {
  /** The flag without its dashes and the key of the file, such as "max-body". */
  readonly name: string;
  /** Another key of the file for the same option, or null. */
  readonly alias: string | null;
  /** The letter of the short flag, or null. */
  readonly short: string | null;
  readonly group: Group;
  /** What has a value of its own: the server, each application, each route. */
  readonly scope: "server" | "application" | "route";
  /** Whether there is a flag, a variable and a key at the top level of the file; else only a key of routes. */
  readonly isFlag: boolean;
  /** The value's type and unit for the help, such as "SECONDS"; null for a flag without a value. */
  readonly placeholder: string | null;
  readonly isRepeatable: boolean;
  /** How an entry of a table in the file is written as one text (false: `name = false`); null: takes no table. */
  readonly entry: ((name: string, value: string | false) => string) | null;
  /** The default as text, read like a given value; null if configuration-maker.ts determines the default. */
  readonly fallback: string | null;
  /** The default in words, if the plain value would not explain it. */
  readonly fallbackWords: string | null;
  /** A variable of other servers and platforms, used if neither TYPHON_… nor the file has a value. */
  readonly otherVariable: string | null;
  /** A short phrase for `--help`; "" for a key of routes. */
  readonly help: string;
  /** Sentences for docs/options.md. */
  readonly doc: string;
  /** Reads the value from its text; throws BadValue. */
  readonly read: Reader<T>;
}

type Given<T> = Pick<Option<T>, "placeholder" | "doc" | "read"> & Partial<Option<T>>;

/** Makes the options of one heading. An option's name is its key: `maxBody` is --max-body. */
export function inGroup<V extends object>(
  group: Group,
  scope: Option<unknown>["scope"],
  table: { readonly [K in keyof V]: Given<V[K]> },
): { readonly [K in keyof V]: Option<V[K]> };
export function inGroup(
  group: Group,
  scope: Option<unknown>["scope"],
  table: Readonly<Record<string, Given<unknown>>>,
): Readonly<Record<string, Option<unknown>>> {
  const options: Record<string, Option<unknown>> = {};
  for (const [key, given] of Object.entries(table))
    options[key] = {
      alias: null,
      short: null,
      scope,
      isFlag: group !== "Routes",
      isRepeatable: false,
      entry: null,
      fallback: null,
      fallbackWords: null,
      otherVariable: null,
      help: "",
      ...given,
      name: kebabCase(key),
      group,
    };
  return options;
}

/** Whether the option is on, or may be on, by default, so that help shows how it is turned off. */
export function isOnByDefault({ placeholder, fallback }: Option<unknown>): boolean {
  return placeholder === null && fallback !== "false";
}

/** "maxBody" → "max-body". */
export function kebabCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The common part of all flags without a value; their default is false. */
export const SWITCH = {
  placeholder: null,
  fallback: "false",
  fallbackWords: "off",
  read: readBoolean,
} as const;
