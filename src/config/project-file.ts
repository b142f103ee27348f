// pyproject.toml: the table [tool.typhon], which is the same as typhon.toml, and what discovery and the search for an
// interpreter have to know of the project.

import { join } from "node:path";

import type { Located, Table } from "./located.ts";
import { OperatorError } from "./operator-error.ts";
import { kindOf } from "./paths.ts";
import { readTomlFile } from "./toml-file.ts";

export const PROJECT_FILE = "pyproject.toml";

/** The top table of the folder's pyproject.toml; null: there is none. Throws OperatorError if it is no TOML. */
export function readProject(folder: string): Table | null {
  const path = join(folder, PROJECT_FILE);
  if (kindOf(path) !== "file") return null;
  return readTomlFile(path, { name: PROJECT_FILE, by: PROJECT_FILE, mayWait: false });
}

/** The same of a file whose mistakes are another program's; null: there is no such file, or it cannot be read. */
export function readForeignToml(path: string): Table | null {
  try {
    return kindOf(path) === "file"
      ? readTomlFile(path, { name: path, by: path, mayWait: false })
      : null;
  } catch (error) {
    if (error instanceof OperatorError) return null;
    throw error;
  }
}

/** The table of a dotted name, such as "tool.typhon"; null: there is no such table. */
export function tableAt(top: Table, name: string): Table | null {
  let table: Table = top;
  for (const key of name.split(".")) {
    const located: Located | undefined = table.get(key);
    if (located?.kind !== "table") return null;
    table = located.entries;
  }
  return table;
}

/** The string under a key of a table; null: there is none. */
export function stringAt(top: Table, name: string, key: string): string | null {
  const located = tableAt(top, name)?.get(key);
  return located?.kind === "string" ? located.text : null;
}

/** The names of the project, as packages are named after them. */
export function projectNames(top: Table): string[] {
  return ["project", "tool.poetry"].flatMap((table) => stringAt(top, table, "name") ?? []);
}
