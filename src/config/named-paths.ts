// Paths as the user names them. The kernel tells the working directory without symbolic links; the user, who came
// there through one such as `current`, means the link, which a reload follows again.

import { statSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";

/**
 * A path below the working directory `cwd`, through the links in `links`. That is $PWD, the working directory as
 * the user's shell names it; it counts only where it leads to the same file.
 */
export function asNamed(path: string, cwd: string, links = ""): string {
  const below = relative(cwd, path);
  if (!isAbsolute(links) || isAbsolute(below)) return path;
  const named = resolve(links, below);
  return isSameFile(path, named) ? named : path;
}

/** The name of the working directory. A service manager sets no $PWD; `appDir` may lead there through a link. */
export function nameOfCwd(cwd: string, appDir: string, links = ""): string {
  const named = asNamed(resolve(cwd), cwd, links);
  if (named !== cwd) return named;
  for (let folder = appDir; folder !== "/"; folder = dirname(folder))
    if (isSameFile(folder, cwd)) return folder;
  return cwd;
}

function isSameFile(path: string, other: string): boolean {
  try {
    const [one, two] = [statSync(path), statSync(other)];
    return one.dev === two.dev && one.ino === two.ino;
  } catch {
    // One is missing, or in a folder that this user may not enter.
    return false;
  }
}
