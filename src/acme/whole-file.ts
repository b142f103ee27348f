// Small files that are there whole or not at all, also after a crash or a loss of power: written under another
// name, synced, renamed, and the folder synced. Files are read as what they must be: regular, small, no links.

import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, lstat, open, readdir, rename, unlink, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A chain with its key is some kilobytes. */
const MAX_FILE_BYTES = 256 * 1024;
const MODE = 0o600;
const UNFINISHED = /^\.[\w-]+\.unfinished$/;
/** An unfinished file that is older belongs to no process that runs. */
const UNFINISHED_AFTER_MS = 3_600_000;

/** What link() says where a file system has no hard links. */
const NO_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);
/** What fsync() of a folder says where a file system has none. */
const NO_SYNC: ReadonlySet<string> = new Set(["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

/** Replaces a file, or creates it with mode 0600. Rejects with the file system's error; the old file stays then. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const unfinished = await writeUnfinished(path, text);
  try {
    await rename(unfinished, path);
  } catch (error) {
    await unlinkIfThere(unfinished);
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Creates a file if none has its name → whether it did. Of several processes at once, one succeeds, also on NFS.
 * Without hard links (SMB, some shared folders of virtual machines) a reader may see the file empty for a moment.
 */
export async function createWhole(path: string, text: string): Promise<boolean> {
  const unfinished = await writeUnfinished(path, text);
  try {
    await linkOrCreate(unfinished, path, text);
    await syncFolder(dirname(path));
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    // The server of a network file system may have made the link, and its response was lost.
    return (await lstat(unfinished)).nlink === 2;
  } finally {
    await unlinkIfThere(unfinished);
  }
}

/** The text of a file; null if there is none. Rejects for a link, a folder, a large file. */
export async function readWhole(path: string): Promise<string | null> {
  // O_NONBLOCK: a FIFO in the file's place holds nobody.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error("not a regular file");
    if (found.size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
    return await readUpTo(file, found.size);
  } finally {
    await file.close();
  }
}

/** Removes a file, if it is there. */
export async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw error;
  });
}

/** Removes what writers that crashed have left in a folder. */
export async function removeUnfinished(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!UNFINISHED.test(name)) continue;
    const found = await lstat(path).catch(() => null);
    if (found !== null && now - found.mtimeMs > UNFINISHED_AFTER_MS) await unlinkIfThere(path);
  }
}

/** The code of a system call's error, such as "ENOENT"; "" for another error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}

async function linkOrCreate(from: string, path: string, text: string): Promise<void> {
  try {
    await link(from, path);
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error))) throw error;
    await writeNew(path, text);
  }
}

async function writeUnfinished(path: string, text: string): Promise<string> {
  const unfinished = join(dirname(path), `.${randomBytes(12).toString("hex")}.unfinished`);
  await writeNew(unfinished, text);
  return unfinished;
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", MODE);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await unlinkIfThere(path).catch(ignore);
    throw error;
  } finally {
    await file.close();
  }
}

async function readUpTo(file: FileHandle, maxBytes: number): Promise<string> {
  const buffer = Buffer.alloc(maxBytes);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, maxBytes - length);
    if (bytesRead === 0) return buffer.toString("utf8", 0, length);
    length += bytesRead;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } catch (error) {
    // A file system that syncs files only.
    if (!NO_SYNC.has(codeOf(error))) throw error;
  } finally {
    await folder.close();
  }
}

function ignore(): void {
  // The error of the write is the one to tell.
}
