// V8's compiled code of our modules, kept between starts. Only in a folder that belongs to this user
// alone: compiled code is run as it is found. Where there is no such folder (no home, a read-only disk,
// a home that is somebody else's under sudo) Typhon starts without it, a few milliseconds later; where
// it runs from its TypeScript sources, 60 ms later.

import { mkdirSync, statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { isAbsolute, join } from "node:path";

/** Uses the user's cache folder for compiled code; does nothing where it is not safely ours. */
export function useCompileCache(environment: Readonly<Record<string, string | undefined>>): void {
  if (environment["NODE_COMPILE_CACHE"] || environment["NODE_DISABLE_COMPILE_CACHE"]) return;
  const folder = ownCacheFolder(environment);
  if (folder !== null) enableCompileCache(folder);
}

function ownCacheFolder(environment: Readonly<Record<string, string | undefined>>): string | null {
  const home = environment["HOME"] ?? "";
  const caches = environment["XDG_CACHE_HOME"] || join(home, ".cache");
  if (!isAbsolute(caches) || process.getuid === undefined) return null;
  const folder = join(caches, "typhon");
  try {
    // A home that belongs to another user (sudo keeps HOME) must get no folder of ours either.
    const parent = statSync(environment["XDG_CACHE_HOME"] || home);
    if (parent.uid !== process.getuid()) return null;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    return uid === process.getuid() && (mode & 0o022) === 0 ? folder : null;
  } catch {
    // Not there and not to be made: the cache only saves time.
    return null;
  }
}
