// Which file an import means, and by which name a file is imported. As Python does: a package before a module, packages
// by their `__init__.py`. Runs nothing.

import { basename, dirname, join } from "node:path";

import { isFile, isFolder, isPackage, isTrusted } from "./entries.ts";
import type { SourceFile } from "./source-files.ts";

const IDENTIFIER = /^[\p{L}_][\p{L}\p{M}\p{N}_]*$/u;
/** Folders above a file that are looked at. */
const MAX_LEVELS = 20;
/** Characters of a dotted name; a longer one is no module. */
const MAX_MODULE_CHARACTERS = 1000;

/** How a file is imported: the folder for sys.path, and the dotted name from there. */
export interface ModulePlace {
  readonly folder: string;
  readonly module: string;
}

/**
 * As the FastAPI CLI does: the folder above the packages of the file. A file that imports relatively, or by the name
 * of a folder above it, is meant as a part of that folder, with or without `__init__.py`. `top`: no higher than here
 * without `__init__.py`.
 */
export function modulePlace({ path, module }: SourceFile, top: string): ModulePlace {
  const parts = basename(path) === "__init__.py" ? [] : [basename(path).replace(/\.py$/, "")];
  let folder = dirname(path);
  const goUp = (): void => {
    parts.unshift(basename(folder));
    folder = dirname(folder);
  };
  for (let level = 0; level < MAX_LEVELS && isPackage(folder); level += 1) {
    if (!isTrusted(dirname(folder), top)) break;
    goUp();
  }
  for (let level = 0; level < MAX_LEVELS && folder.startsWith(join(top, "/")); level += 1) {
    const name = basename(folder);
    const imports = module.imports();
    const isRelative = imports.some((one) => one.level > 0);
    const isNamed = imports.some((one) => one.module.split(".")[0] === name);
    const isMeant = isNamed || (isRelative && parts.length < 2);
    if (!isMeant || !IDENTIFIER.test(name)) break;
    goUp();
  }
  return { folder, module: parts.join(".") };
}

/** The files that `module`, dotted, may mean below `root`: a package, else a module. */
export function filesOfModule(root: string, module: string): string[] {
  if (module.length > MAX_MODULE_CHARACTERS) return [];
  const parts = module === "" ? [] : module.split(".");
  if (!parts.every((part) => IDENTIFIER.test(part))) return [];
  const path = join(root, ...parts);
  const files = [join(path, "__init__.py")];
  return (parts.length === 0 ? files : [...files, `${path}.py`]).filter(isFile);
}

/** Whether a dotted name is a module, a package or a folder below `root`. */
export function isModule(root: string, module: string): boolean {
  if (module.length > MAX_MODULE_CHARACTERS) return false;
  return filesOfModule(root, module).length > 0 || isFolder(join(root, ...module.split(".")));
}
