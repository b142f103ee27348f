// Finds the Python that runs the application: the interpreter of --python, else the active virtual
// environment, else `.venv` beside the application, else python3 on PATH. The result is an absolute path.
// Symbolic links are not resolved, because Python finds its virtual environment by the path of its program.

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

import { OperatorError, quote } from "./operator-error.ts";

interface Search {
  /** The text of --python or its variable, and which of the two gave it; null without either. */
  readonly asked: { readonly by: string; readonly text: string } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The folder that relative paths start at. */
  readonly cwd: string;
  /** Folders that may hold `.venv`, in the order of the search. */
  readonly folders: readonly string[];
}

/** The absolute path of the interpreter. Throws OperatorError if none is found. */
export function findInterpreter(search: Search): string {
  const { asked, environment, folders } = search;
  if (asked !== null) return findAsked(asked.by, asked.text, search);
  const active = environment["VIRTUAL_ENV"] ?? "";
  if (active !== "") {
    const python = pythonIn(resolve(search.cwd, active));
    if (python !== null) return python;
    throw new OperatorError(
      `VIRTUAL_ENV names ${quote(active)}, which holds no bin/python; unset it, or name an interpreter with --python`,
    );
  }
  for (const folder of folders) {
    const python = pythonIn(join(folder, ".venv"));
    if (python !== null) return python;
  }
  const python = onPath("python3", environment["PATH"], search.cwd);
  if (python !== null) return python;
  throw new OperatorError(
    "no python3 on PATH; install Python 3.10 or newer, or name one with --python",
  );
}

function findAsked(by: string, text: string, search: Search): string {
  const path = resolve(search.cwd, text);
  if (isFolder(path)) {
    const python = pythonIn(path);
    if (python !== null) return python;
    throw new OperatorError(
      `${by} ${quote(text)} is a folder without bin/python; name an interpreter or a virtual environment`,
    );
  }
  const python = text.includes("/")
    ? executable(path)
    : onPath(text, search.environment["PATH"], search.cwd);
  if (python !== null) return python;
  const where = text.includes("/") ? "is no program that this user may run" : "is not on PATH";
  throw new OperatorError(`${by} ${quote(text)} ${where}; name the path of a Python interpreter`);
}

function pythonIn(environmentFolder: string): string | null {
  return (
    executable(join(environmentFolder, "bin", "python")) ??
    executable(join(environmentFolder, "bin", "python3"))
  );
}

function onPath(name: string, path: string | undefined, cwd: string): string | null {
  for (const folder of (path ?? "").split(delimiter)) {
    const found = executable(resolve(cwd, folder, name));
    if (found !== null) return found;
  }
  return null;
}

function executable(path: string): string | null {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile() ? path : null;
  } catch {
    // Missing, or this user may not run it: the search goes on.
    return null;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
