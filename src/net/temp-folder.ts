// A private folder of temporary files, for bodies of requests and responses that do not fit into memory. The
// folder is made with its first file and removed when the server stops. File names are numbers, so they contain
// no byte of a client. Programs that clean temporary folders may remove the folder, and another user may then
// make its path anew: so the folder is looked at before each use.

import { lstat, mkdtemp, open, rm, unlink, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file in a TempFolder, open for reading and writing. */
export interface TempFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export class TempFolder {
  readonly #parents: readonly string[];
  #folder: Promise<string> | null = null;
  #files = 0;

  /** `parent`: a folder that can be written to; if it is gone, the system's own folder is used. */
  constructor(parent: string) {
    this.#parents = [parent, tmpdir()];
  }

  /** Creates a file of mode 0600. Rejects with the file system's error (ENOSPC, EACCES …). */
  async create(): Promise<TempFile> {
    const folder = await this.#usable();
    this.#files += 1;
    const path = join(folder, String(this.#files));
    // wx+: a file that is there already, or a link, is an error.
    return { path, handle: await open(path, "wx+", 0o600) };
  }

  /** Creates a file without a name: its space is freed when its descriptor closes, also at a SIGKILL. */
  async createUnlinked(): Promise<FileHandle> {
    const file = await this.create();
    await unlink(file.path).catch(ignoreMissing);
    return file.handle;
  }

  /** Closes and removes a file, which may be closed or removed already. */
  async discard(file: TempFile): Promise<void> {
    await file.handle.close();
    await rm(file.path, { force: true });
  }

  /** Removes the folder with all its files. */
  async remove(): Promise<void> {
    const folder = await this.#folder?.catch(() => null);
    if (folder && (await isOurs(folder))) await rm(folder, { recursive: true, force: true });
  }

  async #usable(): Promise<string> {
    const before = this.#folder;
    const folder = before === null ? null : await before.catch(() => null);
    if (folder !== null && (await isOurs(folder))) return folder;
    // Several files may be created at once: the first one makes the new folder.
    const current = this.#folder;
    const made = current === null || current === before ? makeIn(this.#parents) : current;
    this.#folder = made;
    return await made;
  }
}

async function makeIn(parents: readonly string[]): Promise<string> {
  const [parent = "", ...others] = parents;
  try {
    return await mkdtemp(join(parent, "typhon-bodies-"));
  } catch (error) {
    if (others.length > 0 && isMissing(error)) return await makeIn(others);
    throw error;
  }
}

/** Whether a path is a folder, and no link, that this user alone may enter. */
async function isOurs(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => null);
  return (
    found !== null &&
    found.isDirectory() &&
    found.uid === process.geteuid?.() &&
    (found.mode & 0o077) === 0
  );
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
