// Watches folders, and all folders below them, for changes of an application's files. Each folder has its
// own system watch. Node's recursive watch is not used: it also watches every file of a virtual environment,
// and it loses a file that an editor saves by renaming another file over it (measured on Node 24).
//
//   event of a folder ─▶ a file of the application ─▶ onChange
//                     └▶ a name appeared or disappeared ─▶ the watches at and below it are closed;
//                                                          a new folder is watched, its files are changes

import { watch, type FSWatcher } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { basename, join, sep } from "node:path";

import { isCodeFile, isCodeFolder, MAX_FOLDERS, VENV_MARK } from "./code-files.ts";

export class FolderWatch {
  readonly #onChange: (path: string) => void;
  readonly #onFailure: (folder: string, code: string) => void;
  /** Each watch by its folder's path. */
  readonly #watchers = new Map<string, FSWatcher>();
  /** The folders of `start`: they are watched even if one is a virtual environment. */
  #roots: ReadonlySet<string> = new Set();
  readonly #isWatched: (path: string) => boolean;
  #isClosed = false;
  #hasFailed = false;

  /**
   * `onChange` gets the path of a changed file or of a folder that disappeared. `onFailure` is called for
   * the first folder that cannot be watched and not again, because the reason mostly holds for the others.
   * `isWatched`: whether the file at a path matters.
   */
  constructor(
    onChange: (path: string) => void,
    onFailure: (folder: string, code: string) => void,
    isWatched: (path: string) => boolean = (path) => isCodeFile(basename(path)),
  ) {
    this.#onChange = onChange;
    this.#onFailure = onFailure;
    this.#isWatched = isWatched;
  }

  /** Watches the folders and all below. Files that exist already are no change. */
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
    // Read after the watch is open: a file that appears in between is seen twice instead of never.
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => null);
    // The folder disappeared meanwhile, or its watch was closed.
    if (this.#watchers.get(folder) !== watcher) return;
    const isVenv = entries?.some(({ name }) => name === VENV_MARK) === true;
    if (entries === null || (isVenv && !this.#roots.has(folder))) {
      this.#forget(folder);
      return;
    }
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && isCodeFolder(entry.name)) await this.#add(path, age);
      else if (age === "new" && this.#isWatched(path)) this.#onChange(path);
    }
  }

  #open(folder: string): FSWatcher | null {
    if (this.#isClosed || this.#watchers.has(folder)) return null;
    if (this.#watchers.size >= MAX_FOLDERS) return this.#fail(folder, "too many folders");
    try {
      const watcher = watch(folder);
      watcher.on("change", (kind, name) => this.#onEvent(folder, kind, String(name)));
      watcher.on("error", () => this.#forget(folder));
      this.#watchers.set(folder, watcher);
      return watcher;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      // The folder has disappeared since it was listed.
      return code === "ENOENT" || code === "ENOTDIR" ? null : this.#fail(folder, code);
    }
  }

  #fail(folder: string, code: string): null {
    if (!this.#hasFailed) this.#onFailure(folder, code);
    this.#hasFailed = true;
    return null;
  }

  #onEvent(folder: string, kind: string, name: string): void {
    const path = join(folder, name);
    if (name === VENV_MARK && !this.#roots.has(folder)) this.#forget(folder);
    else if (this.#isWatched(path)) this.#onChange(path);
    else if (kind === "rename" && isCodeFolder(name)) void this.#lookAgain(path);
  }

  // A name appeared, disappeared or was replaced. It may be a folder that was moved here with its files.
  async #lookAgain(path: string): Promise<void> {
    if (this.#watchers.has(path)) {
      this.#forget(path);
      this.#onChange(path);
    }
    // Null if the name has disappeared again.
    const found = await lstat(path).catch(() => null);
    if (found?.isDirectory() === true) await this.#add(path, "new");
  }

  /** Closes the watches of a folder and of all folders below. */
  #forget(folder: string): void {
    for (const [path, watcher] of this.#watchers) {
      if (path !== folder && !path.startsWith(folder + sep)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
  }
}
