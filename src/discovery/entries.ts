// What stands in a folder, as this user sees it. Follows symbolic links. Never throws.

import { statSync, type Stats } from "node:fs";
import { join } from "node:path";

export function isFile(path: string): boolean {
  return stat(path)?.isFile() ?? false;
}

export function isFolder(path: string): boolean {
  return stat(path)?.isDirectory() ?? false;
}

/** Whether Python imports the folder as a package, before a module of the same name. */
export function isPackage(folder: string): boolean {
  return isFile(join(folder, "__init__.py"));
}

/**
 * Whether files of the folder are no stranger's: nobody else may write there, and it belongs to this user, to root or
 * to the owner of `start`. Folders above a project are looked at only if so: /tmp may hold anybody's environment.
 */
export function isTrusted(folder: string, start: string): boolean {
  const found = stat(folder);
  const owners = [0, process.geteuid?.(), stat(start)?.uid];
  return found !== undefined && (found.mode & 0o002) === 0 && owners.includes(found.uid);
}

function stat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A closed folder, or a loop of symbolic links.
    return undefined;
  }
}
