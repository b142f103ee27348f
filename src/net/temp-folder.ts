// A private folder of temporary files, for bodies of requests and responses that do not fit into memory. The
// folder is made with its first file and removed when the server stops. File names are numbers, so they contain
// no byte of a client.

import { mkdir, mkdtemp, open, rm, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** A file in a TempFolder, open for reading and writing. */
export interface TempFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export class TempFolder {
  readonly #parent: string;
  #folder: Promise<string> | null = null;
  #files = 0;

  /** `parent`: an existing folder that can be written to. */
  constructor(parent: string) {
    this.#parent = parent;
  }

  /** Creates a file of mode 0600. Rejects with the file system's error (ENOSPC, EACCES …). */
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
      // A program that cleans /tmp has removed the folder, so it is made again.
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return { path, handle: await open(path, flags, 0o600) };
    }
  }

  /** Creates a file without a name: its space is freed when its descriptor closes, also at a SIGKILL. */
  async createUnlinked(): Promise<FileHandle> {
    const file = await this.create();
    await unlink(file.path);
    return file.handle;
  }

  /** Closes and removes a file, which may be closed or removed already. */
  async discard(file: TempFile): Promise<void> {
    await file.handle.close();
    await rm(file.path, { force: true });
  }

  /** Removes the folder with all its files. */
  async remove(): Promise<void> {
    if (this.#folder === null) return;
    await rm(await this.#folder, { recursive: true, force: true });
  }
}
