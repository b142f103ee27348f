// The places where an application usually is, in the order in which they are looked at.

import { basename, join } from "node:path";

import { isFile, isFolder, isPackage } from "./entries.ts";

/** Modules, in the order in which they are looked at. */
export const MODULES = ["main", "app", "api", "wsgi", "asgi", "server"] as const;

/** One file that may have the application. */
export interface Place {
  /** Absolute. */
  readonly path: string;
  /** Why the file is never imported; "" if it may be. */
  readonly fault: string;
}

/** The files that there are: those of the folder, then those of app/, src/ and the packages of the folder's names. */
export function placesOf(folder: string, names: readonly string[]): Place[] {
  return foldersOf(folder, names).flatMap((one) => {
    const own = join(one, "__init__.py");
    const isOwn = one !== folder && isFile(own);
    const modules = MODULES.map((name) => join(one, `${name}.py`)).filter(isFile);
    return [...(isOwn ? [own] : []), ...modules].map((path) => ({ path, fault: faultOf(path) }));
  });
}

/** The folders that are looked at. */
export function foldersOf(folder: string, names: readonly string[]): string[] {
  const packages = names.flatMap((name) => [join(folder, name), join(folder, "src", name)]);
  const all = [folder, join(folder, "app"), join(folder, "src"), ...packages];
  return [...new Set(all)].filter(isFolder);
}

/** The names that a package of the folder may have: that of the folder, and those of the project. */
export function packageNames(folder: string, projects: readonly string[]): string[] {
  const names = [basename(folder), ...projects].map((name) =>
    name.toLowerCase().replaceAll(/[-. ]+/g, "_"),
  );
  return [...new Set(names)].filter((name) => /^[\p{L}_][\p{L}\p{M}\p{N}_]*$/u.test(name));
}

function faultOf(path: string): string {
  const folder = path.slice(0, -".py".length);
  const isHidden = !path.endsWith("/__init__.py") && isPackage(folder);
  return isHidden ? `is never imported, because the package ${basename(folder)}/ has its name` : "";
}
