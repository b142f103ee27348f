// The file of settings: where it is, and its top table. It is named by --config, or it is typhon.toml of the working
// folder, or the table [tool.typhon] of its pyproject.toml.

import { basename, dirname, resolve } from "node:path";

import type { Table } from "./located.ts";
import { Mistakes, OperatorError, quote } from "./operator-error.ts";
import { kindOf } from "./paths.ts";
import { PROJECT_FILE, readProject, tableAt } from "./project-file.ts";
import { APP, OPTIONS } from "./schema.ts";
import { Sources, type Layer } from "./sources.ts";
import { readTomlFile } from "./toml-file.ts";

/** The file that is read without --config. */
const USUAL_FILE = "typhon.toml";
/** The table of pyproject.toml that is the same. */
const PROJECT_TABLE = "tool.typhon";

/** The top table of the file, its name in error lines, and the folder where its relative paths start. */
export interface SettingsFile {
  readonly name: string;
  /** Null: a program's options. */
  readonly path: string | null;
  readonly table: Table;
  readonly folder: string;
}

/** Where the file is, how error lines name it, and what named it. */
export interface FilePlace {
  readonly path: string;
  readonly name: string;
  readonly by: string;
}

/**
 * The file of --config; where no application is named typhon.toml of the working folder, else its pyproject.toml if that
 * has [tool.typhon]; null: there is none. Throws OperatorError.
 */
export function findFile(cwd: string, layers: readonly Layer[]): FilePlace | null {
  const mistakes = new Mistakes();
  const sources = new Sources(layers, mistakes);
  const given = sources.ask(OPTIONS.config);
  mistakes.end();
  if (given !== null) {
    const { by, text, value } = given;
    return { path: resolve(cwd, value), name: value, by: `${by} ${quote(text)}` };
  }
  if (sources.text(APP) !== null) return null;
  const path = resolve(cwd, USUAL_FILE);
  if (kindOf(path) !== "missing") return { path, name: USUAL_FILE, by: USUAL_FILE };
  const project = readProject(cwd);
  if (project === null || tableAt(project, PROJECT_TABLE) === null) return null;
  return { path: resolve(cwd, PROJECT_FILE), name: PROJECT_FILE, by: PROJECT_FILE };
}

/** `mayWait`: for a pipe. Throws OperatorError. */
export function readFile(
  place: FilePlace | null,
  { mayWait }: { readonly mayWait: boolean },
): SettingsFile | null {
  if (place === null) return null;
  const { path, name, by } = place;
  const top = readTomlFile(path, { name, by, mayWait });
  const isProject = basename(path) === PROJECT_FILE;
  const table = isProject ? tableAt(top, PROJECT_TABLE) : top;
  if (table === null) throw new OperatorError(`${by} has no [${PROJECT_TABLE}]; write one`);
  return { name, path, table, folder: dirname(path) };
}
