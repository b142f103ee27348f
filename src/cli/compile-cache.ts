// V8's compiled code of our modules, kept on disk between starts. V8 runs cached code without checking it,
// so the cache must lie in a folder that only this user can write. Without such a folder (no home, a
// read-only disk, another user's home under sudo) a start takes a few milliseconds longer, or 60 ms when
// Typhon runs from its TypeScript sources.

import { mkdirSync, statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { isAbsolute, join } from "node:path";

/** Keeps compiled code in the user's cache folder; does nothing if that folder is not safe to use. */
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
    // sudo keeps HOME: no folder of ours is made in the home of another user.
    const parent = statSync(environment["XDG_CACHE_HOME"] || home);
    if (parent.uid !== process.getuid()) return null;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    return uid === process.getuid() && (mode & 0o022) === 0 ? folder : null;
  } catch {
    // The folder cannot be made or read. A start without the cache is only slower.
    return null;
  }
}
