// What a path leads to, as this user sees it. A folder on the way that this user may not enter is told apart
// from a path that leads nowhere: the first is a mistake to report, the second often just the next case.

import { accessSync, constants, lstatSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** "closed": this user may not enter a folder on the way. */
export type PathKind = "file" | "folder" | "other" | "missing" | "closed";

/** Follows symbolic links. Never throws. */
export function kindOf(path: string): PathKind {
  try {
    const found = statSync(path);
    if (found.isDirectory()) return "folder";
    return found.isFile() ? "file" : "other";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    return code === "EACCES" || code === "EPERM" ? "closed" : "missing";
  }
}

/** Whether the path itself is a symbolic link, wherever it leads. */
export function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    // Missing, or in a closed folder.
    return false;
  }
}

/** Who owns the path itself, a link's own owner for a link; null: it is not there. */
export function ownerOf(path: string): number | null {
  try {
    return lstatSync(path).uid;
  } catch {
    // Missing, or in a closed folder.
    return null;
  }
}

/** Whether this user may write files into the folder. */
export function mayWriteIn(folder: string): boolean {
  return has(folder, constants.W_OK | constants.X_OK);
}

/** Whether this user may list and read the files of the folder. */
export function mayReadIn(folder: string): boolean {
  return has(folder, constants.R_OK | constants.X_OK);
}

/** Whether this user may open files of the folder by their names. */
export function mayEnter(folder: string): boolean {
  return has(folder, constants.X_OK);
}

/** Whether this user may read the file. */
export function mayRead(file: string): boolean {
  return has(file, constants.R_OK);
}

/** Links that are followed in search of a closed folder, as the kernel does (path_resolution(7)). */
const MAX_LINKS = 40;

/** The first folder on the way to `path` that this user may not enter; null: none is found. */
export function closedFolder(path: string, links = MAX_LINKS): string | null {
  const parent = dirname(path);
  if (parent !== path) {
    const above = closedFolder(parent, links);
    if (above !== null) return above;
    if (!has(parent, constants.X_OK)) return parent;
  }
  if (links === 0 || !isLink(path)) return null;
  return closedFolder(resolve(parent, readlinkSync(path)), links - 1);
}

/** Bytes that this user may still write to the file system of `folder`. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Whether this user may run the file. */
export function mayRun(file: string): boolean {
  return kindOf(file) === "file" && has(file, constants.X_OK);
}

function has(path: string, rights: number): boolean {
  try {
    accessSync(path, rights);
    return true;
  } catch {
    // Missing, another user's, or on a read-only disk: for the caller all the same.
    return false;
  }
}
