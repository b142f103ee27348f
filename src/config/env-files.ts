// The files of --env-file: variables for the application, and TYPHON_… variables for the server, in the syntax
// of .env files as Node reads it (util.parseEnv): comments, quotes, `export`, values of several lines. `$NAME` in
// a value is not replaced. A variable of the process wins over every file, and a later file over an earlier one.

import { resolve } from "node:path";
import { parseEnv } from "node:util";

import { quote } from "./operator-error.ts";
import type { Environment, GivenValue } from "./sources.ts";
import { readTextFile } from "./text-file.ts";

/** Most bytes of one file. Variables and arguments of a process together have 2 MiB (execve(2)). */
const MAX_ENV_FILE_BYTES = 1_048_576;

/** The variables of all files that `environment` does not have; `mayWait`: for pipes. Throws OperatorError. */
export function readEnvFiles(
  files: readonly GivenValue<string>[],
  environment: Environment,
  mayWait: boolean,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { by, text, value, folder } of files) {
    const what = `${by} ${quote(text)}`;
    const path = resolve(folder, value);
    const limits = { maxBytes: MAX_ENV_FILE_BYTES, form: "with lines NAME=VALUE", mayWait };
    const content = readTextFile(what, path, limits);
    for (const [name, given] of Object.entries(parseEnv(content)))
      if (given !== undefined && environment[name] === undefined) variables[name] = given;
  }
  return variables;
}
