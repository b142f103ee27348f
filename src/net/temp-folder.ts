// A private folder for what does not fit into memory: bodies of requests and answers. Made when the
// first file is, emptied at the end. Names are ours; no byte of a client reaches one.

import { mkdir, mkdtemp, open, rm, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** A file of a TempFolder, open for reading and writing. */
export interface TempFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export class TempFolder {
  readonly #parent: string;
  #folder: Promise<string> | null = null;
  #files = 0;

  /** `parent` must exist and be writable. */
  constructor(parent: string) {
    this.#parent = parent;
  }

  /** Makes a new file of mode 0600. Rejects with the file system's error (ENOSPC, EACCES …). */
  async create(): Promise<TempFile> {
    this.#folder ??= mkdtemp(join(this.#parent, "typhon-bodies-"));
    let folder: string;
    try {
      folder = await this.#folder;
    } catch (error) {
      this.#folder = null;
      throw error;
    }
    this.#files += 1;
    const path = join(folder, String(this.#files));
    const flags = "wx+";
    try {
      return { path, handle: await open(path, flags, 0o600) };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      // Somebody cleans /tmp of what looks old: make the folder again.
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return { path, handle: await open(path, flags, 0o600) };
    }
  }

  /** A file that has no name any more and goes with its descriptor. */
  async createUnlinked(): Promise<FileHandle> {
    const file = await this.create();
    await unlink(file.path);
    return file.handle;
  }

  /** Closes a file and removes it; one that is closed or gone already is fine. */
  async discard(file: TempFile): Promise<void> {
    await file.handle.close();
    await rm(file.path, { force: true });
  }

  /** Removes the folder with all that is in it. */
  async remove(): Promise<void> {
    if (this.#folder === null) return;
    await rm(await this.#folder, { recursive: true, force: true });
  }
}
