// A Configuration for a program that embeds Typhon: the option names are those of the flags in camel case, and
// the table of the command line reads and checks the values, with the same defaults. Variables such as
// TYPHON_WORKERS are ignored: the program decides.

import type { Configuration } from "./configuration.ts";
import { loadConfiguration } from "./load.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { OPTIONS } from "./schema.ts";

type OptionValue = string | number | boolean | readonly (string | number)[];

/** `{ app: "shop:app", bind: "127.0.0.1:8000", workers: 2, timeout: 10 }`: see docs/options.md. */
export interface ServerOptions extends Partial<
  Readonly<Record<keyof typeof OPTIONS, OptionValue>>
> {
  /** The application: module:callable, module, path/to/file.py[:callable] or module:factory(). */
  readonly app: string;
}

/** The configuration that `options` ask for; paths are below `cwd`. Throws OperatorError. */
export function embeddedConfiguration(options: ServerOptions, cwd: string): Configuration {
  const { app, ...others } = options;
  const known = new Map(Object.entries<{ readonly name: string }>(OPTIONS));
  const texts = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries<OptionValue | undefined>(others)) {
    const option = known.get(key);
    if (option === undefined) throw new OperatorError(`there is no option ${quote(key)}`);
    if (value !== undefined) texts.set(option.name, [value].flat().map(String));
  }
  const flags = { wantsHelp: false, wantsVersion: false, app, texts };
  // The interpreter is looked for on PATH, and a virtual environment that is active is used.
  const { PATH, VIRTUAL_ENV, HOME, PWD } = process.env;
  return loadConfiguration(flags, { PATH, VIRTUAL_ENV, HOME, PWD }, cwd);
}
