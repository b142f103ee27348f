// Where the tools of a project keep its virtual environment: uv, Poetry, Pipenv, PDM. Each place is computed as the tool
// computes it; no tool is run.

import { createHash } from "node:crypto";
import { readdirSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";

import { kindOf } from "./paths.ts";
import { projectNames, readForeignToml, stringAt, tableAt } from "./project-file.ts";
import type { Environment } from "./sources.ts";
import { readBegin } from "./text-file.ts";

/** An environment that a tool has made, or would make. */
export interface ProjectEnvironment {
  /** The folder of a virtual environment, or an interpreter. */
  readonly place: string;
  readonly why: string;
}

/** Bytes of a file of one line. */
const MAX_PATH_BYTES = 4096;
/** As both tools shorten names. */
const MAX_NAME = 42;

/** The environments of the project in `folder` that are there. */
export function projectEnvironments(
  folder: string,
  environment: Environment,
): ProjectEnvironment[] {
  return [
    ...poetryEnvironment(folder, environment),
    ...pipenvEnvironment(folder, environment),
    ...pdmInterpreter(folder),
  ].filter(({ place }) => kindOf(place) !== "missing");
}

/** What uv uses in place of `.venv`; null: no other is named. */
export function uvEnvironment(folder: string, environment: Environment): ProjectEnvironment | null {
  const named = environment["UV_PROJECT_ENVIRONMENT"] ?? "";
  const place = resolve(folder, named);
  const isProject = kindOf(join(folder, "pyproject.toml")) === "file";
  return named !== "" && isProject && kindOf(place) === "folder"
    ? { place, why: "UV_PROJECT_ENVIRONMENT" }
    : null;
}

/** The version in .python-version, which tools such as uv and pyenv read; null: there is none. */
export function wantedVersion(folder: string): string | null {
  const text = readBegin(join(folder, ".python-version"), MAX_PATH_BYTES);
  return /^\s*([\w.-]+)/.exec(text ?? "")?.[1] ?? null;
}

function poetryEnvironment(folder: string, environment: Environment): ProjectEnvironment[] {
  const project = readForeignToml(join(folder, "pyproject.toml"));
  const isPoetry =
    project !== null &&
    (tableAt(project, "tool.poetry") !== null || kindOf(join(folder, "poetry.lock")) === "file");
  if (!isPoetry) return [];
  const root = poetryRoot(folder, environment);
  const [name = "non-package-mode"] = projectNames(project);
  const canonical = name.toLowerCase().replaceAll(/[-_.]+/g, "-");
  const clean = canonical.replaceAll(/[ $`!*@"\\\r\n\t]/g, "_").slice(0, MAX_NAME);
  const base = `${clean}-${hashOf(realPath(folder)).slice(0, 8)}`;
  const chosen = stringAt(readForeignToml(join(root, "envs.toml")) ?? new Map(), base, "minor");
  const prefix = `${base}-py`;
  const versions = namesIn(root)
    .filter((one) => one.startsWith(prefix))
    .map((one) => one.slice(prefix.length))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const version = chosen ?? versions.at(-1);
  if (version === undefined) return [];
  return [{ place: join(root, prefix + version), why: "Poetry's environment of this project" }];
}

/** `virtualenvs.path` of Poetry's settings, else the usual folder. */
function poetryRoot(folder: string, environment: Environment): string {
  const home = homeOf(environment);
  const configured =
    environment["POETRY_CONFIG_DIR"] || join(configHome(environment, home), "pypoetry");
  const files = [join(folder, "poetry.toml"), join(configured, "config.toml")];
  const settings = files.flatMap((path) => readForeignToml(path) ?? []);
  const setting = (table: string, key: string): string | null => {
    for (const one of settings) {
      const located = table === "" ? one.get(key) : tableAt(one, table)?.get(key);
      if (located?.kind === "string") return located.text;
    }
    return null;
  };
  const cache =
    environment["POETRY_CACHE_DIR"] ||
    setting("", "cache-dir") ||
    (process.platform === "darwin"
      ? join(home, "Library/Caches/pypoetry")
      : join(environment["XDG_CACHE_HOME"] || join(home, ".cache"), "pypoetry"));
  const path = environment["POETRY_VIRTUALENVS_PATH"] || setting("virtualenvs", "path");
  return resolve(
    folder,
    expand((path ?? "{cache-dir}/virtualenvs").replace("{cache-dir}", cache), home),
  );
}

function pipenvEnvironment(folder: string, environment: Environment): ProjectEnvironment[] {
  const pipfile = join(folder, "Pipfile");
  if (kindOf(pipfile) !== "file") return [];
  const home = homeOf(environment);
  const shared = environment["XDG_DATA_HOME"] || join(home, ".local/share");
  const root = environment["WORKON_HOME"] || join(shared, "virtualenvs");
  const file = realPath(pipfile);
  const clean = basename(resolve(file, ".."))
    .replaceAll(/[ &$`!*@"()[\]\\\r\n\t]/g, "_")
    .slice(0, MAX_NAME);
  const hash = createHash("sha256").update(file).digest().subarray(0, 6);
  const own = `${clean}-${hash.toString("base64url")}`;
  const name = environment["PIPENV_CUSTOM_VENV_NAME"] || own;
  return [{ place: join(expand(root, home), name), why: "Pipenv's environment of this project" }];
}

function pdmInterpreter(folder: string): ProjectEnvironment[] {
  const place = readBegin(join(folder, ".pdm-python"), MAX_PATH_BYTES)?.trim() ?? "";
  return place.startsWith("/") ? [{ place, why: "the interpreter that PDM has chosen" }] : [];
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Missing, or closed to this user.
    return [];
  }
}

function homeOf(environment: Environment): string {
  return environment["HOME"] || homedir();
}

function configHome(environment: Environment, home: string): string {
  if (process.platform === "darwin") return join(home, "Library/Application Support");
  return environment["XDG_CONFIG_HOME"] || join(home, ".config");
}

function expand(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? join(home, path.slice(2)) : path;
}
