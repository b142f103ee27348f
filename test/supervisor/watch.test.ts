// Watching folders: every way in which a file of an application changes is seen, and what editors,
// Python and package managers write beside it is not.

import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { test, type TestContext } from "node:test";

import { FolderWatch } from "../../src/supervisor/watch.ts";
import { until } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";

class Watched {
  readonly folder: string;
  readonly failures: string[] = [];
  readonly #changed = new Set<string>();
  #markers = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text = ""): void {
    writeFileSync(this.path(name), text);
  }

  watcher(): FolderWatch {
    return new FolderWatch(
      (path) => this.#changed.add(relative(this.folder, path)),
      (folder, code) => this.failures.push(`${folder} ${code}`),
    );
  }

  /** Waits until `name` was seen to change, and forgets all that was. */
  async sees(name: string): Promise<void> {
    await until(`${name} changed; seen: ${[...this.#changed].join(" ")}`, () =>
      this.#changed.has(name),
    );
    this.#changed.clear();
  }

  /** What was seen until now: events come in their order, so a last change of our own ends it. */
  async seen(): Promise<string[]> {
    this.#markers += 1;
    const marker = `marker_${this.#markers}.py`;
    this.write(marker);
    await until("the marker", () => this.#changed.has(marker));
    const seen = [...this.#changed].filter((name) => !name.startsWith("marker_"));
    this.#changed.clear();
    return seen;
  }
}

async function watch(
  context: TestContext,
  prepare: (folder: string) => void = () => {},
): Promise<Watched> {
  const folder = makeScratch(context);
  prepare(folder);
  const watched = new Watched(folder);
  const watcher = watched.watcher();
  context.after(() => watcher.close());
  await watcher.start([folder]);
  return watched;
}

test("sees a file that is written, again and again, in the folder and deep below", async (t) => {
  const watched = await watch(t, (folder) => {
    mkdirSync(join(folder, "shop/views"), { recursive: true });
    writeFileSync(join(folder, "shop/views/cart.py"), "");
  });
  for (const text of ["a", "b", "c"]) {
    watched.write("shop/views/cart.py", text);
    await watched.sees("shop/views/cart.py");
    watched.write("app.py", text);
    await watched.sees("app.py");
  }
  appendFileSync(watched.path("app.py"), "d");
  await watched.sees("app.py");
});

test("sees every save by a rename, as many editors do it", async (t) => {
  const watched = await watch(t, (folder) => writeFileSync(join(folder, "app.py"), ""));
  for (const text of ["a", "b", "c"]) {
    watched.write("app.py~", text);
    renameSync(watched.path("app.py~"), watched.path("app.py"));
    await watched.sees("app.py");
  }
});

test("sees files that appear and disappear", async (t) => {
  const watched = await watch(t);
  watched.write("new.py");
  await watched.sees("new.py");
  renameSync(watched.path("new.py"), watched.path("newer.py"));
  await watched.sees("newer.py");
  unlinkSync(watched.path("newer.py"));
  await watched.sees("newer.py");
});

test("sees new folders, with files at once and later", async (t) => {
  const watched = await watch(t);
  for (let round = 0; round < 3; round += 1) {
    mkdirSync(watched.path("pkg/deep"), { recursive: true });
    watched.write("pkg/deep/at_once.py");
    await watched.sees("pkg/deep/at_once.py");
    watched.write("pkg/deep/later.py");
    await watched.sees("pkg/deep/later.py");
    rmSync(watched.path("pkg"), { recursive: true });
    await watched.sees("pkg");
  }
});

test("sees a folder that is moved, in, within and out", async (t) => {
  const elsewhere = makeScratch(t);
  mkdirSync(join(elsewhere, "pkg"));
  writeFileSync(join(elsewhere, "pkg", "a.py"), "");
  const watched = await watch(t);
  renameSync(join(elsewhere, "pkg"), watched.path("pkg"));
  await watched.sees("pkg/a.py");
  renameSync(watched.path("pkg"), watched.path("kit"));
  await watched.sees("kit/a.py");
  watched.write("kit/b.py");
  await watched.sees("kit/b.py");
  renameSync(watched.path("kit"), join(elsewhere, "kit"));
  await watched.sees("kit");
  writeFileSync(join(elsewhere, "kit", "a.py"), "x");
  assert.deepEqual(await watched.seen(), []);
});

test("sees nothing in folders that hold no code of the application", async (t) => {
  const ignored = [".git", "__pycache__", "node_modules", ".mypy_cache", "env/lib", "env"];
  const watched = await watch(t, (folder) => {
    for (const name of ignored) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, "env", "pyvenv.cfg"), "");
  });
  for (const name of ignored) watched.write(join(name, "a.py"));
  assert.deepEqual(await watched.seen(), []);
});

test("sees nothing of a virtual environment that is created later", async (t) => {
  const watched = await watch(t);
  mkdirSync(watched.path("env/lib/site-packages"), { recursive: true });
  watched.write("env/pyvenv.cfg");
  await watched.seen();
  await watched.seen();
  watched.write("env/lib/a.py");
  watched.write("env/lib/site-packages/b.py");
  assert.deepEqual(await watched.seen(), []);
});

test("a folder that was named is watched, whatever it contains", async (t) => {
  const parent = makeScratch(t);
  const folder = join(parent, ".site");
  mkdirSync(folder);
  writeFileSync(join(folder, "pyvenv.cfg"), "");
  const watched = new Watched(folder);
  const watcher = watched.watcher();
  t.after(() => watcher.close());
  await watcher.start([folder]);
  watched.write("app.py");
  await watched.sees("app.py");
  watched.write("pyvenv.cfg");
  watched.write("app.py", "x");
  await watched.sees("app.py");
});

test("a link that leads in a circle is not followed", async (t) => {
  const watched = await watch(t, (folder) => symlinkSync(folder, join(folder, "again")));
  symlinkSync(watched.folder, watched.path("another"));
  assert.deepEqual(await watched.seen(), []);
  assert.deepEqual(watched.failures, []);
});
