// The private directories (mode 0700) in which the front opens files that a launcher has made
// (docs/worker-protocol.md, "Run directories"), and the three files that all workers share. A run directory
// exists for the moment of one start: programs that clean temporary folders find nothing that is needed later.
// The shared files belong to the application: a new launcher inherits their descriptors, so that old and new
// workers read the same pipe.

import {
  closeSync,
  constants,
  lstatSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Slots of the file of cancelled ids: id N is in slot N modulo this number, and replaces an earlier id. */
const CANCEL_SLOTS = 8192;
const ID_BYTES = 8;
/** Files of one start, the directory among them. */
const FILES = 6;

/** The names of all files that a run directory may hold. */
const FILE_NAMES = ["queue", "lifeline", "cancels", "channel", "notes", "out", "err", "stacks"];

export class RunDirectory {
  readonly path: string;

  /**
   * Makes a new directory in the first of `folders` that takes it and has `roomBytes` for its files. The first
   * is a tmpfs, so that reading a note never waits for a disk. Throws an error that says what is wrong with each
   * folder.
   */
  constructor(folders: readonly string[], roomBytes: number) {
    this.path = makeIn(folders, roomBytes);
  }

  /** The path of a file, such as `notes`. */
  file(name: string): string {
    return join(this.path, name);
  }

  /**
   * Removes the directory: its files are open by now, or will never be. Takes no descriptor, so that this works
   * when the process may open none; never throws, because a directory that stays does no harm.
   */
  remove(): void {
    // After a cleaner has removed it, another user may have made the path anew.
    if (!attempt(() => assertOurs(this.path))) return;
    for (const name of FILE_NAMES) attempt(() => unlinkSync(this.file(name)));
    if (attempt(() => rmdirSync(this.path))) return;
    attempt(() => rmSync(this.path, { recursive: true, force: true }));
  }
}

/** Throws unless a path is a directory, and no link, of this user. */
function assertOurs(path: string): void {
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== process.geteuid?.()) throw new Error("not ours");
}

function attempt(remove: () => void): boolean {
  try {
    remove();
    return true;
  } catch {
    // Not there, or removed by a program that cleans temporary folders.
    return false;
  }
}

function makeIn(folders: readonly string[], roomBytes: number): string {
  const reasons: string[] = [];
  for (const folder of folders) {
    try {
      checkRoom(folder, roomBytes);
      return mkdtempSync(join(folder, "typhon-"));
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`no private directory can be made: ${reasons.join("; ")}`);
}

function checkRoom(folder: string, bytes: number): void {
  const { blocks, bavail, bsize, files, ffree } = statfsSync(folder);
  // A file system without a limit says 0.
  if (blocks > 0 && bavail * bsize < bytes)
    throw new Error(`${folder} has no room for ${bytes} bytes`);
  if (files > 0 && ffree < FILES) throw new Error(`${folder} has no room for ${FILES} files`);
}

/** Opens files of a directory. If one cannot be opened, closes the others and throws the system's error. */
export function openFiles(
  directory: RunDirectory,
  files: readonly (readonly [name: string, flags: number])[],
): readonly number[] {
  const opened: number[] = [];
  try {
    for (const [name, flags] of files) opened.push(openSync(directory.file(name), flags));
    return opened;
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}

/** The descriptors that all workers of an application share. */
export class SharedFiles {
  /** The request pipe, opened for writing pages, and for reading so that the pipe never ends. */
  readonly queue: number;
  /** A pipe without data: launcher and workers end when this descriptor is closed. */
  readonly lifeline: number;
  readonly cancels: number;
  readonly #id = Buffer.alloc(ID_BYTES);

  /** Opens the files that the launcher has made in `directory`. Throws the system's error. */
  constructor(directory: RunDirectory) {
    const { O_RDWR, O_WRONLY, O_NONBLOCK } = constants;
    const [queue = -1, lifeline = -1, cancels = -1] = openFiles(directory, [
      // Read and write: open() must not wait for a reader, and the pipe must not end when it has none.
      ["queue", O_RDWR | O_NONBLOCK],
      ["lifeline", O_WRONLY | O_NONBLOCK],
      ["cancels", O_RDWR],
    ]);
    this.queue = queue;
    this.lifeline = lifeline;
    this.cancels = cancels;
  }

  /** Tells workers not to begin the request with this id. A small write to a tmpfs never waits. */
  cancel(id: number): void {
    this.#id.writeBigUInt64LE(BigInt(id));
    writeSync(this.cancels, this.#id, 0, ID_BYTES, (id % CANCEL_SLOTS) * ID_BYTES);
  }

  /** Closes the files, which ends every process of the application (lifeline). */
  close(): void {
    for (const fd of [this.queue, this.lifeline, this.cancels]) closeSync(fd);
  }
}
