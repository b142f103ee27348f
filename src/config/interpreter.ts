// Finds the Python that runs the application: the interpreter of --python, else the active virtual
// environment, else the one that Typhon itself was installed in, else `.venv` beside the application, else the
// Python that has started Typhon, else python3 on PATH. The result is an absolute path.
// Symbolic links are not resolved, because Python finds its virtual environment by the path of its program. An
// environment that is there but cannot be used is an error: another Python would lack its packages.

import { delimiter, join, resolve } from "node:path";

import type { LaunchedBy } from "./launched-by.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { isLink, kindOf, mayRun } from "./paths.ts";

interface Search {
  /** The text of --python, what gave it, and where its relative path starts; null: not given. */
  readonly asked: { readonly by: string; readonly text: string; readonly folder: string } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly launchedBy: LaunchedBy;
  /** The folder that relative paths start at. */
  readonly cwd: string;
  /** Folders that may hold `.venv`, in the order of the search. */
  readonly folders: readonly string[];
}

/** The absolute path of the interpreter. Throws OperatorError if none is found. */
export function findInterpreter(search: Search): string {
  const { asked, environment, folders, launchedBy } = search;
  if (asked !== null) return findAsked(asked, search);
  const active = environment["VIRTUAL_ENV"] ?? "";
  if (active !== "") {
    const python = pythonIn(resolve(search.cwd, active));
    if (python !== null) return python;
    throw new OperatorError(
      `VIRTUAL_ENV names ${quote(active)}, which holds no bin/python; unset it, or name an interpreter with --python`,
    );
  }
  if (launchedBy.kind === "venv" && launchedBy.python !== null) return launchedBy.python;
  for (const folder of folders) {
    const python = pythonIn(join(folder, ".venv"));
    if (python !== null) return python;
  }
  const python = launchedBy.python ?? onPath("python3", environment["PATH"], search.cwd);
  if (python !== null) return python;
  throw new OperatorError(
    "no python3 on PATH; install Python 3.10 or newer, or name one with --python",
  );
}

function findAsked({ by, text, folder }: NonNullable<Search["asked"]>, search: Search): string {
  const path = resolve(folder, text);
  if (kindOf(path) === "folder") {
    const python = pythonIn(path);
    if (python !== null) return python;
    throw new OperatorError(
      `${by} ${quote(text)} is a folder without bin/python; name an interpreter or a virtual environment`,
    );
  }
  const isPath = text.includes("/");
  const found = isPath ? path : onPath(text, search.environment["PATH"], search.cwd);
  if (found !== null && mayRun(found)) return found;
  const where = isPath ? "is no program that this user may run" : "is not on PATH";
  throw new OperatorError(`${by} ${quote(text)} ${where}; name the path of a Python interpreter`);
}

/** The Python of a virtual environment; null if the folder has none. Throws OperatorError if it cannot be used. */
function pythonIn(environmentFolder: string): string | null {
  const pythons = ["python", "python3"].map((name) => join(environmentFolder, "bin", name));
  const python = pythons.find(mayRun);
  if (python !== undefined) return python;
  for (const path of pythons) {
    const kind = kindOf(path);
    if (kind === "missing" && !isLink(path)) continue;
    const fault =
      kind === "missing"
        ? `${quote(path)} is a link to a Python that is gone; make the virtual environment again`
        : `this user may not run ${quote(path)}; give this user the right to the folders on its way`;
    throw new OperatorError(`${fault}, or name an interpreter with --python`);
  }
  return null;
}

function onPath(name: string, path: string | undefined, cwd: string): string | null {
  const programs = (path ?? "").split(delimiter).map((folder) => resolve(cwd, folder, name));
  return programs.find(mayRun) ?? null;
}
