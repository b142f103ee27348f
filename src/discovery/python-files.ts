// Files of Python below a folder, within a limit.

import { accessSync, constants, readdirSync, type Dirent } from "node:fs";
import { join } from "node:path";

/** Files and folders that are looked at. */
export const MAX_ENTRIES = 10_000;

/** A file of Python; "none"; "too many": the limit was reached, and none was found so far. */
export type PythonFile = { readonly path: string } | "none" | "too many";

/** Looks for a file of Python in the folder and below it, but not in `except`. Follows no symbolic link. */
export function findPythonFile(folder: string, except: ReadonlySet<string>): PythonFile {
  const folders = [folder];
  let entries = 0;
  for (const here of folders) {
    for (const entry of entriesOf(here)) {
      const path = join(here, entry.name);
      if (except.has(path)) continue;
      if (entry.isFile() && entry.name.endsWith(".py")) return { path };
      if (entry.isDirectory()) folders.push(path);
      entries += 1;
      if (entries >= MAX_ENTRIES) return "too many";
    }
  }
  return "none";
}

/** The names of a folder in order; none if this user may not read it. */
export function entriesOf(folder: string): Dirent[] {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    // Closed to this user, or gone.
    return [];
  }
}
