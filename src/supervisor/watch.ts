// Watches folders with all that is below them for changes of an application's files. One system watch
// a folder: Node's recursive one opens one for every file of a virtual environment too, and no longer
// sees a file once an editor has saved it by renaming another over it (measured on Node 24).
//
//   event of a folder ─▶ one of the application's files ─▶ onChange
//                     └▶ a name came or went ─▶ what was watched below it is let go;
//                                               a folder there is watched, its files are changes

import { watch, type FSWatcher } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join, sep } from "node:path";

import { isCodeFile, isCodeFolder, MAX_FOLDERS, VENV_MARK } from "./code-files.ts";

export interface WatchListener {
  /** The file, or a folder that went, has changed. */
  onChange(path: string): void;
  /** A folder cannot be watched; told once, as the others then mostly cannot either. */
  onFailure(folder: string, code: string): void;
}

export class FolderWatch {
  readonly #listener: WatchListener;
  /** By path. */
  readonly #watchers = new Map<string, FSWatcher>();
  /** What was asked for is watched, even if it is a virtual environment. */
  #roots: ReadonlySet<string> = new Set();
  #isClosed = false;
  #hasFailed = false;

  constructor(listener: WatchListener) {
    this.#listener = listener;
  }

  /** Watches the folders and all below; what is there already is no change. */
  async start(folders: readonly string[]): Promise<void> {
    this.#roots = new Set(folders);
    for (const folder of this.#roots) await this.#add(folder, "old");
  }

  close(): void {
    this.#isClosed = true;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  async #add(folder: string, age: "old" | "new"): Promise<void> {
    const watcher = this.#open(folder);
    if (watcher === null) return;
    // Read after it is watched: a file that comes in between is seen twice and not never.
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => null);
    // It went meanwhile, or was let go.
    if (this.#watchers.get(folder) !== watcher) return;
    const isVenv = entries?.some(({ name }) => name === VENV_MARK) === true;
    if (entries === null || (isVenv && !this.#roots.has(folder))) {
      this.#forget(folder);
      return;
    }
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && isCodeFolder(entry.name)) await this.#add(path, age);
      else if (age === "new" && isCodeFile(entry.name)) this.#listener.onChange(path);
    }
  }

  #open(folder: string): FSWatcher | null {
    if (this.#isClosed || this.#watchers.has(folder)) return null;
    if (this.#watchers.size >= MAX_FOLDERS) return this.#fail(folder, "too many folders");
    try {
      const watcher = watch(folder);
      watcher.on("change", (kind, name) => this.#hear(folder, kind, String(name)));
      watcher.on("error", () => this.#forget(folder));
      this.#watchers.set(folder, watcher);
      return watcher;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      // Gone since it was seen.
      return code === "ENOENT" || code === "ENOTDIR" ? null : this.#fail(folder, code);
    }
  }

  #fail(folder: string, code: string): null {
    if (!this.#hasFailed) this.#listener.onFailure(folder, code);
    this.#hasFailed = true;
    return null;
  }

  #hear(folder: string, kind: string, name: string): void {
    const path = join(folder, name);
    if (name === VENV_MARK && !this.#roots.has(folder)) this.#forget(folder);
    else if (isCodeFile(name)) this.#listener.onChange(path);
    else if (kind === "rename" && isCodeFolder(name)) void this.#lookAgain(path);
  }

  // A name came, went or was replaced. It may be a folder that was moved here with all of its files.
  async #lookAgain(path: string): Promise<void> {
    if (this.#watchers.has(path)) {
      this.#forget(path);
      this.#listener.onChange(path);
    }
    // Gone again: nothing to watch.
    const found = await lstat(path).catch(() => null);
    if (found?.isDirectory() === true) await this.#add(path, "new");
  }

  /** Lets go of a folder and of all below. */
  #forget(folder: string): void {
    for (const [path, watcher] of this.#watchers) {
      if (path !== folder && !path.startsWith(folder + sep)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
  }
}
