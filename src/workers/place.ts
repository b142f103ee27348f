// The folders in which one generation of workers runs. An operator names a folder that may be a symbolic link,
// such as `current`, which is turned to another release before a reload. The link is resolved once for each
// generation, so that a worker that replaces a dead one runs the code of the others, wherever the link leads.

import { realpathSync } from "node:fs";
import { dirname } from "node:path";

/** An application as the operator names it. */
export interface NamedPlace {
  /** module:callable, or an absolute path of a file. */
  readonly app: string;
  /** Absolute. */
  readonly appDir: string;
  /** The working directory. Absolute. */
  readonly cwd: string;
}

/** The same without symbolic links. */
export interface Place extends NamedPlace {
  /** The folders that symbolic links lead to, by the names that the operator gave. */
  readonly moved: Readonly<Record<string, string>>;
}

/** Follows the symbolic links as they are now. A folder that is not there keeps its name: its worker reports it. */
export function resolvePlace({ app, appDir, cwd }: NamedPlace): Place {
  const file = app.startsWith("/") ? dirname(app.split(":", 1)[0] ?? app) : null;
  const folders = [appDir, cwd, ...(file === null ? [] : [file])];
  const links = folders.map((folder) => [folder, follow(folder)] as const);
  return {
    app: file === null ? app : follow(file) + app.slice(file.length),
    appDir: follow(appDir),
    cwd: follow(cwd),
    moved: Object.fromEntries(links.filter(([given, found]) => given !== found)),
  };
}

function follow(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    // Missing, or behind a folder that this user may not enter.
    return folder;
  }
}
