// The files of --env-file, and the .env of `typhon dev`: variables for the application, and TYPHON_… variables for the
// server, with the syntax of env-text.ts. `${NAME}` in a value is a variable of the process, else one that stands
// before it. A variable of the process wins over every file, and a later file over an earlier one.

import { resolve } from "node:path";

import { expandReferences, parseEnvText } from "./env-text.ts";
import { OperatorError, quote } from "./operator-error.ts";
import type { Environment, GivenValue } from "./sources.ts";
import { readTextFile } from "./text-file.ts";

/** Most bytes of one file. Variables and arguments of a process together have 2 MiB (execve(2)). */
const MAX_ENV_FILE_BYTES = 1_048_576;
/** Most characters of all names and values, references replaced: few lines can double one another. */
const MAX_VARIABLES = 2_097_152;

/** The variables of all files that `environment` does not have; `mayWait`: for pipes. Throws OperatorError. */
export function readEnvFiles(
  files: readonly GivenValue<string>[],
  environment: Environment,
  mayWait: boolean,
): Record<string, string> {
  const variables = new Map<string, string>();
  const known = new Map(Object.entries(environment));
  let room = MAX_VARIABLES;
  for (const { by, text, value, folder } of files) {
    const what = `${by} ${quote(text)}`;
    const path = resolve(folder, value);
    const limits = { maxBytes: MAX_ENV_FILE_BYTES, form: "with lines NAME=VALUE", mayWait };
    const content = readTextFile(what, path, limits);
    for (const [name, given] of parseEnvText(content)) {
      const valueOf = (other: string): string | undefined =>
        known.get(other) ?? variables.get(other);
      // A name with "=" would set the variable of another name.
      if (known.get(name) !== undefined || name.includes("=")) continue;
      const expanded = expandReferences(given, valueOf, room - name.length);
      if (expanded === null)
        throw new OperatorError(
          `${what} has variables of more than ${MAX_VARIABLES} characters together`,
        );
      room -= name.length + expanded.length;
      variables.set(name, expanded);
    }
  }
  return Object.fromEntries(variables);
}
