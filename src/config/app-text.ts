// What the text of an application names: a module, a file of Python, or a folder of files.

import { realpathSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

import { findPythonFile } from "../discovery/python-files.ts";
import type { GivenText } from "./located.ts";
import { asNamed } from "./named-paths.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { kindOf, mayReadIn } from "./paths.ts";
import { mayBeFolder } from "./values.ts";

/** The working directory, and how the user's shell names it ($PWD). */
export interface WorkingFolder {
  readonly cwd: string;
  readonly links: string;
}

/** The path in "path/to/file.py[:callable]", null for a module. */
export function filePart(app: string): string | null {
  return /^([^:]+\.py)(?::|$)/u.exec(app)?.[1] ?? null;
}

/** The application with an absolute path, if it is a file: from the folder that names it, else from `appDir`. */
export function resolveApp(
  { by, text, folder }: GivenText,
  appDir: string,
  { cwd, links }: WorkingFolder,
): string {
  const file = filePart(text);
  if (file === null) return text;
  const isThere = (path: string): boolean => kindOf(path) === "file";
  const here = resolve(folder, file);
  const path = !isThere(here) && isThere(resolve(appDir, file)) ? resolve(appDir, file) : here;
  if (kindOf(path) === "closed")
    throw new OperatorError(
      `${by} ${quote(text)} is in a folder that this user may not enter; give this user the right`,
    );
  return asNamed(path, cwd, links) + text.slice(file.length);
}

/** The folder with the application's code. A file may be outside `appDir`; then it is the file's own folder. */
export function codeFolder(app: string, appDir: string): string {
  const file = filePart(app);
  return file === null || file.startsWith(join(appDir, "/")) ? appDir : dirname(file);
}

/** The folder that is named in place of an application ("./public", "."); null: it is no folder. Throws OperatorError. */
export function siteFolder({ by, text, folder }: GivenText): string | null {
  const path = resolve(folder, text);
  if (!mayBeFolder(text) || kindOf(path) !== "folder") return null;
  if (mayReadIn(path)) return path;
  throw new OperatorError(
    `${by} ${quote(text)} is closed to this user; give this user the right to enter and read it`,
  );
}

/** Throws OperatorError if a folder of files has Python files elsewhere than at `programs`: real paths, never sent. */
export function checkSiteFolder(
  { by, text, folder }: GivenText,
  programs: ReadonlySet<string>,
): void {
  const path = realpathSync(resolve(folder, text));
  const python = findPythonFile(path, programs);
  // A folder that the operator names may have any number of files.
  if (typeof python === "string") return;
  throw new OperatorError(
    `${by} ${quote(text)} is a folder with Python files (${quote(relative(path, python.path))}), whose source would be served; name the application, or write --static /=${text} if that is meant`,
  );
}
