// Finds the Python that runs the application, and says why it is this one:
//
//     --python
//     VIRTUAL_ENV, CONDA_PREFIX (but for conda's base)     what the user has activated
//     the environment that Typhon itself was installed in  not that of a tool (pipx, uv tool)
//     for the folder of the application, then each folder above it up to the project's root:
//         UV_PROJECT_ENVIRONMENT, .venv, venv, env, Poetry's, Pipenv's, PDM's
//     conda's base, the Python that has started Typhon, python3 on PATH
//
// The result is an absolute path. Symbolic links are not resolved, because Python finds its virtual environment by the
// path of its program. An environment that is there but cannot be used is an error: another Python would lack its
// packages.

import { delimiter, dirname, join, resolve } from "node:path";

import { isTrusted } from "../discovery/entries.ts";
import type { LaunchedBy } from "./launched-by.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { isLink, kindOf, mayRun } from "./paths.ts";
import { projectEnvironments, uvEnvironment, wantedVersion } from "./project-environments.ts";

interface Search {
  /** The text of --python, what gave it, and where its relative path starts; null: not given. */
  readonly asked: { readonly by: string; readonly text: string; readonly folder: string } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly launchedBy: LaunchedBy;
  /** The folder that relative paths start at. */
  readonly cwd: string;
  /** Folders of the application, in the order of the search. */
  readonly folders: readonly string[];
}

/** An interpreter, and why it was chosen; "" where --python names it. */
export interface Interpreter {
  readonly path: string;
  readonly why: string;
}

/** What stands in the root of a project. */
const ROOT_MARKS = [
  "pyproject.toml",
  ".git",
  "Pipfile",
  "poetry.toml",
  "uv.lock",
  "setup.py",
  "manage.py",
];
/** Folders above the application that are looked at. */
const MAX_LEVELS = 8;
/** Names of virtual environments. Others than the first are common words: they need a mark of an environment inside. */
const NAMES = [".venv", "venv", "env"] as const;
const MARKS = ["pyvenv.cfg", "conda-meta"];

/** The absolute path of the interpreter. Throws OperatorError if none is found. */
export function findInterpreter(search: Search): string {
  return chooseInterpreter(search).path;
}

/** Throws OperatorError if none is found. */
export function chooseInterpreter(search: Search): Interpreter {
  const { asked, environment, launchedBy } = search;
  if (asked !== null) return { path: findAsked(asked, search), why: "" };
  const active = findActive(search);
  if (active !== null) return active;
  if (launchedBy.kind === "venv" && launchedBy.python !== null)
    return { path: launchedBy.python, why: "the environment that Typhon is installed in" };
  for (const folder of withFoldersAbove(search)) {
    const found = findInProject(folder, search);
    if (found !== null) return found;
  }
  const base = environment["CONDA_PREFIX"] ?? "";
  const conda = base === "" ? null : pythonIn(resolve(search.cwd, base));
  if (conda !== null) return { path: conda, why: "conda's base" };
  if (launchedBy.python !== null)
    return { path: launchedBy.python, why: "the Python that has started Typhon" };
  const path = onPath("python3", environment["PATH"], search.cwd);
  if (path !== null) {
    const wanted = search.folders.flatMap((folder) => wantedVersion(folder) ?? [])[0];
    const note = wanted === undefined ? "" : `, and .python-version asks for ${wanted}`;
    return { path, why: `python3 on PATH; no virtual environment was found${note}` };
  }
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

/** What `activate` of a virtual environment, or `conda activate`, has set. conda activates its base by itself. */
function findActive({ environment, cwd }: Search): Interpreter | null {
  const isBase = environment["CONDA_DEFAULT_ENV"] === "base";
  for (const variable of isBase ? ["VIRTUAL_ENV"] : ["VIRTUAL_ENV", "CONDA_PREFIX"]) {
    const active = environment[variable] ?? "";
    if (active === "") continue;
    const path = pythonIn(resolve(cwd, active));
    if (path !== null) return { path, why: variable };
    throw new OperatorError(
      `${variable} names ${quote(active)}, which holds no bin/python; unset it, or name an interpreter with --python`,
    );
  }
  return null;
}

/** The folders of the application, each with those above it up to the root of the project. */
function withFoldersAbove({ folders, cwd }: Search): Set<string> {
  const all = new Set<string>();
  for (const start of folders) {
    const above = [start];
    const isRoot = (folder: string): boolean =>
      ROOT_MARKS.some((name) => kindOf(join(folder, name)) !== "missing");
    for (let folder = start; above.length < MAX_LEVELS && !isRoot(folder);) {
      const next = dirname(folder);
      if (next === folder || !isTrusted(next, start)) break;
      above.push((folder = next));
    }
    const hasRoot = isRoot(above.at(-1) ?? start);
    // Without a root: up to the current folder, if the application is below it.
    const end = hasRoot ? above.length - 1 : Math.max(above.indexOf(cwd), 0);
    for (const folder of above.slice(0, end + 1)) all.add(folder);
  }
  return all;
}

function findInProject(folder: string, { environment, folders }: Search): Interpreter | null {
  const uv = uvEnvironment(folder, environment);
  const uvPython = uv === null ? null : pythonIn(uv.place);
  if (uv !== null && uvPython !== null) return { path: uvPython, why: uv.why };
  for (const name of NAMES) {
    const place = join(folder, name);
    const isMeant =
      name === NAMES[0] || MARKS.some((one) => kindOf(join(place, one)) !== "missing");
    const path = isMeant ? pythonIn(place) : null;
    const where = folders.includes(folder) ? "beside the application" : `in ${folder}`;
    if (path !== null) return { path, why: `${name} ${where}` };
  }
  for (const { place, why } of projectEnvironments(folder, environment)) {
    const path = kindOf(place) === "folder" ? pythonIn(place) : place;
    if (path !== null && mayRun(path)) return { path, why };
  }
  return null;
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
