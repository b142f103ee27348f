// Files of the operator that are read whole: variables, the configuration.

import { closeSync, constants, openSync, readSync } from "node:fs";
import { TextDecoder } from "node:util";

import { OperatorError } from "./operator-error.ts";
import { kindOf } from "./paths.ts";

/**
 * The text of a file in UTF-8. `what`: the option and its value, for the error line, because the content may
 * be secret; `form`: the form of the text. A start may wait for a pipe or a terminal, a server that runs may not:
 * `mayWait`. Throws OperatorError.
 */
export function readTextFile(
  what: string,
  path: string,
  { maxBytes, form, mayWait }: { maxBytes: number; form: string; mayWait: boolean },
): string {
  if (!mayWait && kindOf(path) === "other")
    throw new OperatorError(`${what} is no regular file, and can be read by a start only`);
  let bytes: Buffer;
  try {
    bytes = readBytes(path, maxBytes + 1);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "EACCES" || code === "EPERM")
      throw new OperatorError(`${what} may not be read by this user; give this user the right`);
    throw new OperatorError(`${what} is no file; name one that exists`);
  }
  if (bytes.length > maxBytes)
    throw new OperatorError(`${what} is too large: at most ${maxBytes} bytes`);
  try {
    // Without a byte order mark, which some editors write.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // Not UTF-8: the same line.
  }
  throw new OperatorError(`${what} is no text in UTF-8 ${form}`);
}

/** The begin of another program's file, without waiting; null: it is no file, or this user may not read it. */
export function readBegin(path: string, maxBytes: number): string | null {
  try {
    return kindOf(path) === "file"
      ? readBytes(path, maxBytes, constants.O_NONBLOCK).toString("utf8")
      : null;
  } catch {
    // Closed to this user, or gone.
    return null;
  }
}

/** Reads at most `most` bytes: a device such as /dev/zero has no end. */
function readBytes(path: string, most: number, flags = 0): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOCTTY | flags);
  try {
    const bytes = Buffer.alloc(most);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got)
      got = readSync(fd, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
