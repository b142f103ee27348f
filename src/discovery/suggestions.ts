// The nearest thing to do where the usual places have no application: another module of the folder, or a project one
// folder below.

import { join } from "node:path";

import { findCandidates } from "./candidates.ts";
import { isFile, isPackage } from "./entries.ts";
import { modulePlace } from "./module-paths.ts";
import { foldersOf, MODULES } from "./places.ts";
import { entriesOf } from "./python-files.ts";
import type { SourceFiles } from "./source-files.ts";
import type { Verdicts } from "./verdicts.ts";

/** Modules and folders that are looked at. */
const MAX_LOOKED_AT = 40;
/** Folders that hold no application of this project. */
const OTHERS =
  /^(?:\.|_|(?:tests?|docs?|env|venv|node_modules|build|dist|migrations|site-packages)$)/;

/** A sentence that ends with the command; null: nothing is near. */
export function suggest(
  folder: string,
  files: SourceFiles,
  verdicts: Verdicts,
  hasPrograms: boolean,
): string | null {
  const entries = entriesOf(folder).filter(({ name }) => !OTHERS.test(name));
  const modules = entries
    .filter((one) => one.isFile() && one.name.endsWith(".py") && one.name !== "manage.py")
    .map(({ name }) => join(folder, name));
  const folders = [...foldersIn(folder), ...foldersIn(join(folder, "src"))];
  for (const path of [...modules, ...folders.flatMap(modulesIn)].slice(0, MAX_LOOKED_AT)) {
    const file = files.read(path);
    if (file === null) continue;
    const label = files.nameOf(path);
    const [first] = findCandidates(file, label, verdicts).found;
    if (first === undefined) continue;
    const place = modulePlace(file, folder);
    return `${label} has ${first.is}: ${command(place, first.callable, folder)}`;
  }
  for (const one of folders.slice(0, MAX_LOOKED_AT))
    if (isFile(join(one, "manage.py")))
      return `${files.nameOf(one)}/ has manage.py: typhon --app-dir ${quoted(files.nameOf(one))}`;
  return hasPrograms ? "cgi-bin/ has CGI programs: typhon --cgi /cgi-bin=cgi-bin" : null;
}

/** The command that serves a callable of a module. */
export function command(
  { folder, module }: { readonly folder: string; readonly module: string },
  callable: string,
  from: string,
): string {
  const app = quoted(`${module}:${callable}`);
  const relative = folder.startsWith(`${from}/`) ? folder.slice(from.length + 1) : folder;
  return folder === from ? `typhon ${app}` : `typhon ${app} --app-dir ${quoted(relative)}`;
}

function foldersIn(folder: string): string[] {
  return entriesOf(folder)
    .filter((one) => one.isDirectory() && !OTHERS.test(one.name))
    .map(({ name }) => join(folder, name));
}

function modulesIn(folder: string): string[] {
  const own = isPackage(folder) ? [join(folder, "__init__.py")] : [];
  const below = foldersOf(folder, []).flatMap((one) =>
    MODULES.map((name) => join(one, `${name}.py`)),
  );
  return [...own, ...below].filter(isFile);
}

/** As a shell reads it. */
function quoted(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
