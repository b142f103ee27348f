// The files of --env-file: variables for the application, and TYPHON_… variables for the server, in the syntax
// of .env files as Node reads it (util.parseEnv): comments, quotes, `export`, values of several lines. `$NAME` in
// a value is not replaced. A variable of the process wins over every file, and a later file over an earlier one.

import { closeSync, constants, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv, TextDecoder } from "node:util";

import { OperatorError, quote } from "./operator-error.ts";
import { OPTIONS } from "./schema.ts";
import type { Environment, Sources } from "./sources.ts";

/** Most bytes of one file. Variables and arguments of a process together have 2 MiB (execve(2)). */
const MAX_ENV_FILE_BYTES = 1_048_576;

/** The variables of all files that `environment` does not have. Throws OperatorError. */
export function readEnvFiles(
  sources: Sources,
  environment: Environment,
  cwd: string,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { by, text, value } of sources.all(OPTIONS.envFile)) {
    const content = readText(`${by} ${quote(text)}`, resolve(cwd, value));
    for (const [name, given] of Object.entries(parseEnv(content)))
      if (given !== undefined && environment[name] === undefined) variables[name] = given;
  }
  return variables;
}

/** `what`: the option and its value, for the error line; the content may be secret. */
function readText(what: string, path: string): string {
  let bytes: Buffer;
  try {
    bytes = readBytes(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "EACCES" || code === "EPERM")
      throw new OperatorError(`${what} may not be read by this user; give this user the right`);
    throw new OperatorError(`${what} is no file; name one that exists`);
  }
  if (bytes.length > MAX_ENV_FILE_BYTES)
    throw new OperatorError(`${what} is too large: at most ${MAX_ENV_FILE_BYTES} bytes`);
  try {
    // Without a byte order mark, which some editors write.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // Not UTF-8: the same line.
  }
  throw new OperatorError(`${what} is no text in UTF-8 with lines NAME=VALUE`);
}

/** Reads at most one byte more than a file may have: a device such as /dev/zero has no end. */
function readBytes(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOCTTY);
  try {
    const bytes = Buffer.alloc(MAX_ENV_FILE_BYTES + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got)
      got = readSync(fd, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
