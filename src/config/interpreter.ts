// Which Python runs the application: the one named, else the active virtual environment, else the
// `.venv` beside the application, else python3 on PATH. The answer is an absolute path, not resolved
// through symbolic links: Python finds its virtual environment by the path that it was started by.

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

import { OperatorError, quote } from "./operator-error.ts";

interface InterpreterPlace {
  /** What was asked for, or null; and what asked, for the error line. */
  readonly asked: { readonly by: string; readonly text: string } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where a relative path starts. */
  readonly cwd: string;
  /** Folders that may hold `.venv`, the likelier one first. */
  readonly folders: readonly string[];
}

/** The absolute path of the interpreter. Throws OperatorError where there is none. */
export function findInterpreter(place: InterpreterPlace): string {
  const { asked, environment, folders } = place;
  if (asked !== null) return findAsked(asked.by, asked.text, place);
  const active = environment["VIRTUAL_ENV"] ?? "";
  if (active !== "") {
    const python = pythonIn(resolve(place.cwd, active));
    if (python !== null) return python;
    throw new OperatorError(
      `VIRTUAL_ENV names ${quote(active)}, which holds no bin/python; unset it, or name an interpreter with --python`,
    );
  }
  for (const folder of folders) {
    const python = pythonIn(join(folder, ".venv"));
    if (python !== null) return python;
  }
  const python = onPath("python3", environment["PATH"], place.cwd);
  if (python !== null) return python;
  throw new OperatorError(
    "no python3 on PATH; install Python 3.10 or newer, or name one with --python",
  );
}

function findAsked(by: string, text: string, place: InterpreterPlace): string {
  const path = resolve(place.cwd, text);
  if (isFolder(path)) {
    const python = pythonIn(path);
    if (python !== null) return python;
    throw new OperatorError(
      `${by} ${quote(text)} is a folder without bin/python; name an interpreter or a virtual environment`,
    );
  }
  const python = text.includes("/")
    ? executable(path)
    : onPath(text, place.environment["PATH"], place.cwd);
  if (python !== null) return python;
  const where = text.includes("/") ? "is no program that may be run" : "is not on PATH";
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
    // Not there, or not ours to run: the next place may have it.
    return null;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
