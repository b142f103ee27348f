// Files and folders that the operator names: looked for at the start, so that a mistake is one line then.

import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, resolve } from "node:path";

import { OperatorError, quote } from "./operator-error.ts";
import { closedFolder, isLink, kindOf, mayRead, mayReadIn, mayWriteIn } from "./paths.ts";
import type { GivenValue } from "./sources.ts";

/** The absolute path of a folder that this user may read. Throws OperatorError. */
export function readableFolder(given: GivenValue<string>): string {
  return folderOf(given, mayReadIn);
}

/** The absolute path of a folder that this user may write to. Throws OperatorError. */
export function writableFolder(given: GivenValue<string>): string {
  return folderOf(given, mayWriteIn);
}

function folderOf(
  { by, text, value, folder: start }: GivenValue<string>,
  may: (folder: string) => boolean,
): string {
  const folder = resolve(start, value);
  const kind = kindOf(folder);
  if (kind === "folder" && may(folder)) return folder;
  const what = `${by} ${quote(text)}`;
  if (kind !== "folder" && kind !== "closed")
    throw new OperatorError(`${what} is no folder; name one that exists`);
  throw new OperatorError(
    may === mayWriteIn
      ? `${what} is no folder that this user may write to; name another`
      : `${what} is closed to this user; give this user the right to enter and read it, or name another`,
  );
}

/** The absolute path of a file that there is. Throws OperatorError. */
export function existingFile({ by, text, value, folder }: GivenValue<string>): string {
  const path = resolve(folder, value);
  const kind = kindOf(path);
  if (kind === "file") return path;
  const what = `${by} ${quote(text)}`;
  throw new OperatorError(
    kind === "closed"
      ? `${what} is in a folder that this user may not enter; give this user the right`
      : `${what} is no file; name one that exists`,
  );
}

/** The absolute path of a file that this user may read. Throws OperatorError, with the remedy. */
export function readableFile({ by, text, value, folder }: GivenValue<string>): string {
  const path = resolve(folder, value);
  const kind = kindOf(path);
  if (kind === "file" && mayRead(path)) return path;
  const what = `${by} ${quote(text)}`;
  if (kind !== "file" && kind !== "closed")
    throw new OperatorError(`${what} is no file; name one that exists`);
  const user = thisUser();
  const closed = closedFolder(path);
  throw new OperatorError(
    closed === null
      ? `${what} may not be read by user ${user}: setfacl -m u:${user}:r ${quote(path)}, or give it to a group of this user and chmod 640`
      : `${what} is in ${closed}, which user ${user} may not enter: setfacl -m u:${user}:x ${quote(closed)}`,
  );
}

/** The name of the user of this process, for error lines; its number if it has none. */
function thisUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.());
  }
}

/** The absolute path of a file in a folder that this user may write to. Throws OperatorError. */
export function fileToMake({ by, text, value, folder }: GivenValue<string>): string {
  const path = resolve(folder, value);
  if (mayWriteIn(dirname(path))) return path;
  throw new OperatorError(
    `${by} ${quote(text)} is in no folder that user ${thisUser()} may write to; name another`,
  );
}

// Opens the file, because its rights alone do not show whether it can be written (root, read-only disks,
// /proc). O_NONBLOCK: a FIFO without a reader is an error, not a wait. A file that was not there is removed again:
// a configuration that is only checked leaves nothing.
/** Whether this user may append to the file, or make it. */
export function mayAppend(path: string): boolean {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK } = constants;
  const isNew = kindOf(path) === "missing" && !isLink(path);
  try {
    closeSync(openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0o666));
    if (isNew) unlinkSync(path);
    return true;
  } catch {
    // The caller reports every error of the system in the same way.
    return false;
  }
}
