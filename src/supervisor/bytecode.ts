// Python's compiled code of files that have changed. Python takes it for fresh while the source has the
// same size and was written in the same second, so a change that comes soon after a load would never be
// seen. What was compiled before its source was written is therefore taken away, and compiled again.

import { readdir, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { CACHE_FOLDER, isCodeFolder, MAX_FOLDERS, VENV_MARK } from "./code-files.ts";

/** "app.cpython-311.pyc", "app.cpython-311.opt-1.pyc" → "app". */
const COMPILED = /^(.+?)\.[^.]+(?:\.opt-\w+)?\.pyc$/;

/** Takes away what was compiled of `files`. Never fails: where it may not, Python's own rule remains. */
export async function dropBytecode(files: Iterable<string>): Promise<void> {
  const byFolder = new Map<string, Set<string>>();
  for (const file of files) {
    if (!file.endsWith(".py")) continue;
    const stems = byFolder.get(dirname(file)) ?? new Set();
    byFolder.set(dirname(file), stems.add(basename(file, ".py")));
  }
  for (const [folder, stems] of byFolder)
    for (const { path, stem } of await listCompiled(folder))
      if (stems.has(stem)) await unlink(path).catch(() => undefined);
}

/** Takes away what is older than its source, in `folders` and the application's folders below. Never fails. */
export async function dropOutdatedBytecode(folders: readonly string[]): Promise<void> {
  const queue = [...folders];
  // The list grows while it is walked.
  for (const [at, folder] of queue.entries()) {
    if (at >= MAX_FOLDERS) return;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    if (at >= folders.length && entries.some(({ name }) => name === VENV_MARK)) continue;
    if (entries.some(({ name }) => name === CACHE_FOLDER)) await dropOutdated(folder);
    for (const entry of entries)
      if (entry.isDirectory() && isCodeFolder(entry.name)) queue.push(join(folder, entry.name));
  }
}

async function dropOutdated(folder: string): Promise<void> {
  for (const { path, stem } of await listCompiled(folder)) {
    const [compiled, source] = await Promise.all(
      [path, join(folder, `${stem}.py`)].map((file) => stat(file).catch(() => null)),
    );
    const isOutdated = compiled && source && compiled.mtimeMs < source.mtimeMs;
    if (isOutdated) await unlink(path).catch(() => undefined);
  }
}

/** What Python has compiled of the files of a folder; nothing where there is no cache. */
async function listCompiled(folder: string): Promise<{ path: string; stem: string }[]> {
  const cache = join(folder, CACHE_FOLDER);
  const names = await readdir(cache).catch(() => []);
  return names.flatMap((name) => {
    const stem = COMPILED.exec(name)?.[1];
    return stem === undefined ? [] : [{ path: join(cache, name), stem }];
  });
}
