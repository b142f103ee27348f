// Python's compiled code of files that have just changed. Python takes it for fresh while the source
// has the same size and was written in the same second; a developer's two saves can be that close. So
// what was compiled of a changed file is taken away, and is compiled again.

import { readdir, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Takes away what was compiled of `files`. Never fails: where it may not, Python's own rule remains. */
export async function dropBytecode(files: Iterable<string>): Promise<void> {
  const byFolder = new Map<string, Set<string>>();
  for (const file of files) {
    if (!file.endsWith(".py")) continue;
    const stems = byFolder.get(dirname(file)) ?? new Set();
    byFolder.set(dirname(file), stems.add(basename(file, ".py")));
  }
  for (const [folder, stems] of byFolder) {
    const cache = join(folder, "__pycache__");
    // No cache, nothing to take away.
    const names = await readdir(cache).catch(() => []);
    // "app.cpython-311.pyc", "app.cpython-311.opt-1.pyc"
    const stale = names.filter((name) =>
      stems.has(name.replace(/\.[^.]+(?:\.opt-\w+)?\.pyc$/, "")),
    );
    await Promise.allSettled(stale.map((name) => unlink(join(cache, name))));
  }
}
