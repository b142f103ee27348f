// Opens files below a folder, the root, and nothing outside. Node has no openat(): a folder is held open as a
// descriptor that names a place only (O_PATH), and a name in it is reached by "/proc/self/fd/N/NAME". The kernel
// is never given a path of several names, so that a folder that is replaced by a link meanwhile leads nowhere.
//
//   root ──open──▶ fd ──"a"──▶ fd ──"b.txt"──▶ lstat: a regular file? ──▶ open, fstat
//                               └── a link: readlink, and its names are walked like those of a request
//
// Links lead to places below the root only, unless they are followed wherever they lead. A device, a socket or a
// FIFO is never opened. Folders stay open for a moment, so that the files in them are found by one call.

import {
  access,
  close,
  constants,
  existsSync,
  fstat,
  lstat,
  open,
  read,
  readlink,
  stat,
  type PathLike,
  type Stats,
} from "node:fs";
import { promisify } from "node:util";

import type { OpenFiles } from "./open-files.ts";

/** Most symbolic links on the way to a file, as the kernel has it (MAXSYMLINKS). */
const MAX_LINKS = 40;
/** Most names on the way to a file, as links that lead to their own folder could make many. */
const MAX_NAMES = 256;
/** Ways that are walked at the same moment; the others wait. Node has four threads for file systems. */
const MAX_WALKS = 32;
/** How long a folder is used without a look at the way that leads to it. */
const FOLDER_MS = 400;
/** Folders that are kept open. */
const MAX_FOLDERS = 256;

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Linux; not among Node's constants. */
const O_PATH = 0o10_000_000;
/** In place of a descriptor: something is there that is no folder. */
const NO_FOLDER = -1;
const FOLDER_FLAGS = O_PATH | O_DIRECTORY;

const statOpen = promisify<number, Stats>(fstat);
const statLink = promisify<PathLike, Stats>(lstat);
const statFollowed = promisify<PathLike, Stats>(stat);
const openFile = promisify<PathLike, number, number>(open);
const readFile = promisify(read);
const checkAccess = promisify<PathLike, number>(access);
const linkTarget = promisify<PathLike, "latin1", string>(readlink);

/** Errors that mean: there is nothing that can be served. */
const ABSENT: ReadonlySet<string> = new Set([
  "EACCES",
  "EINVAL",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOTDIR",
  "ENXIO",
  "EPERM",
]);

/** Whether this system names a process's descriptors, as Linux with /proc does. */
export function canOpenBelow(): boolean {
  return existsSync("/proc/self/fd");
}

/** The table of what clients have open. */
export type FileCount = Pick<OpenFiles, "mayOpen" | "opening" | "opened" | "closing" | "closed">;

export interface FileTreeOptions {
  /** Absolute. A link that the path leads through is followed anew each time. */
  readonly root: string;
  /** Whether links may lead outside the root. */
  readonly followLinks: boolean;
  /** Places below the root at which nothing is found, also through a link below the root: names joined by "/". */
  readonly hidden?: readonly string[];
  readonly count: FileCount;
  /** There is something that may not be read. `path`: as the client may know it. */
  readonly onDenied?: (path: string) => void;
}

/** The process may open no further file: EMFILE, as the system has it. */
class TooManyFiles extends Error {
  readonly code = "EMFILE";
}

/** A regular file that is open for reading. The owner closes the file, once. */
export class OpenFile {
  readonly fd: number;
  readonly stats: Stats;
  readonly #count: FileCount;
  #isOpen = true;

  constructor(fd: number, stats: Stats, count: FileCount) {
    this.fd = fd;
    this.stats = stats;
    this.#count = count;
  }

  /** Reads into a buffer from a position in the file; returns the number of bytes, 0 at the end. */
  async read(buffer: Buffer, start: number, position: number): Promise<number> {
    const { bytesRead } = await readFile(this.fd, buffer, start, buffer.length - start, position);
    return bytesRead;
  }

  /** Returns all bytes; null if the file was changed while they were read. */
  async readAll(): Promise<Buffer | null> {
    const { size } = this.stats;
    // A buffer that shares its memory is left to its owner (net/buffer-pool.ts): one byte more.
    const bytes = Buffer.from(new ArrayBuffer(size + 1), 0, size);
    let end = 0;
    for (let count = -1; count !== 0 && end < size; end += count)
      count = await this.read(bytes, end, end);
    const after = await statOpen(this.fd);
    return end === size && isSameVersion(this.stats, after) ? bytes : null;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#count.closing();
    close(this.fd, () => this.#count.closed());
  }
}

/** Whether two states of a file are of the same file with the same content. */
export function isSameVersion(a: Stats, b: Stats): boolean {
  return (
    a.ino === b.ino &&
    a.size === b.size &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs &&
    a.dev === b.dev
  );
}

/** A folder that is held open while it has users. */
class Folder {
  readonly fd: number;
  /** When the folder was opened: names that are added or removed change its times. */
  readonly stats: Stats;
  /** performance.now() before the walk to the folder began. */
  readonly since: number;
  #users = 1;

  constructor(fd: number, stats: Stats, since: number) {
    this.fd = fd;
    this.stats = stats;
    this.since = since;
  }

  /** The kernel's name for something in the folder; bytes that are no UTF-8 stay as they are. */
  at(name: string): Buffer {
    return Buffer.from(`/proc/self/fd/${this.fd}/${name}`, "latin1");
  }

  use(): this {
    this.#users += 1;
    return this;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) closeSoon(this.fd);
  }
}

/** Something that was found below the root: a regular file, or a folder. The finder releases the place. */
export class Place {
  readonly kind: "file" | "folder";
  /** Of a file, at the moment when it was found. */
  readonly stats: Stats | null;
  /** Of the folder itself, or of the folder of the file. */
  readonly folderStats: Stats;
  /** performance.now() before the way to the place was walked. */
  readonly since: number;
  /** The folder itself, or the folder of the file. */
  readonly #folder: Folder;
  readonly #name: string;
  readonly #options: FileTreeOptions;

  constructor(folder: Folder, name: string, stats: Stats | null, options: FileTreeOptions) {
    this.kind = stats === null ? "folder" : "file";
    this.stats = stats;
    this.folderStats = folder.stats;
    this.since = folder.since;
    this.#folder = folder;
    this.#name = name;
    this.#options = options;
  }

  /** The kernel's path of a folder, to be read while the place is held. */
  get path(): string {
    return `/proc/self/fd/${this.#folder.fd}`;
  }

  /** Opens the file; null if it is no regular file any more. Rejects with the system's errors. */
  async open(): Promise<OpenFile | null> {
    const { count, followLinks } = this.#options;
    return await openRegular(this.#folder.at(this.#name), count, followLinks ? 0 : O_NOFOLLOW);
  }

  /** Whether this process may execute the file, as the system decides (mode, lists of rights, mount options). */
  async isExecutable(): Promise<boolean> {
    const found = checkAccess(this.#folder.at(this.#name), constants.X_OK).then(() => true);
    return (await absentAsNull(found)) ?? false;
  }

  release(): void {
    this.#folder.release();
  }
}

/**
 * Opens a regular file by a path that is no client's; null if there is none. Rejects with the system's errors.
 * "/proc/PID/fd/N" is the file that a process has open, also where the file has no name any more.
 */
export async function openRegular(
  path: PathLike,
  count: FileCount,
  flags = 0,
): Promise<OpenFile | null> {
  if (!count.mayOpen()) throw new TooManyFiles("too many open files");
  let file: OpenFile | null = null;
  count.opening();
  try {
    const fd = await absentAsNull(openFile(path, O_RDONLY | O_NONBLOCK | flags));
    file = fd === null ? null : new OpenFile(fd, await stateOf(fd), count);
  } finally {
    count.opened();
    if (file === null) {
      count.closing();
      count.closed();
    }
  }
  if (file?.stats.isFile() !== false) return file;
  file.close();
  return null;
}

/** How far a walk has come. */
interface Walk {
  /** Held by the walk. */
  folder: Folder;
  /** The names from the root to the folder, none of them a link. */
  readonly way: string[];
  /** The names that are still to be walked. */
  readonly rest: string[];
  links: number;
}

export class FileTree {
  readonly #options: FileTreeOptions;
  /** By the names from the root, joined by "/". */
  readonly #kept = new Map<string, Folder>();
  #isSweepPlanned = false;
  #walks = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: FileTreeOptions) {
    this.#options = options;
  }

  get root(): string {
    return this.#options.root;
  }

  /**
   * Finds a regular file or a folder; null if there is none. `names`: latin-1 bytes, none of them empty, "." or
   * "..", none with a slash or NUL. The caller releases the place. Rejects with the system's errors, such as EIO.
   */
  async find(names: readonly string[]): Promise<Place | null> {
    if (names.length > MAX_NAMES) return null;
    // Whoever ends a walk leaves its turn to the next one.
    if (this.#walks >= MAX_WALKS) await new Promise<void>((turn) => this.#waiting.push(turn));
    else this.#walks += 1;
    try {
      return await this.#find(names);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#walks -= 1;
      else next();
    }
  }

  async #find(names: readonly string[]): Promise<Place | null> {
    const walk = await this.#begin(names);
    if (walk === null) return null;
    let place: Place | null = null;
    try {
      for (let name = walk.rest.shift(); name !== undefined; name = walk.rest.shift()) {
        const found = await this.#step(walk, name);
        if (found === "nothing") return null;
        if (found === "further") continue;
        place = new Place(walk.folder, name, found, this.#options);
        return place;
      }
      place = new Place(walk.folder, "", null, this.#options);
      return place;
    } finally {
      if (place === null) walk.folder.release();
    }
  }

  /** Begins at the folder of the last name if that is still open, else at the root. */
  async #begin(names: readonly string[]): Promise<Walk | null> {
    const way = names.slice(0, -1);
    const near = this.#take(way);
    if (near !== null) return { folder: near, way, rest: names.slice(-1), links: 0 };
    const folder = await this.#openRoot();
    return folder === null ? null : { folder, way: [], rest: [...names], links: 0 };
  }

  /** Takes the next name: the file, or "further" where the walk goes on. */
  async #step(walk: Walk, name: string): Promise<Stats | "further" | "nothing"> {
    if (name === "" || name === ".") return "further";
    if (name === "..") return await this.#up(walk);
    const { followLinks, hidden = [] } = this.#options;
    if (hidden.length > 0 && hidden.includes([...walk.way, name].join("/"))) return "nothing";
    const at = walk.folder.at(name);
    if (walk.rest.length === 0) {
      const stats = await this.#allowed((followLinks ? statFollowed : statLink)(at), walk, name);
      if (stats?.isFile() === true) return stats;
      if (stats?.isSymbolicLink() === true) return await this.#follow(walk, at);
      if (stats?.isDirectory() !== true) return "nothing";
    }
    const flags = FOLDER_FLAGS | (followLinks ? 0 : O_NOFOLLOW);
    const fd = await this.#allowed(openFile(at, flags).catch(notAFolder), walk, name);
    if (fd === null) return "nothing";
    // A link is no folder, and may lead to one.
    if (fd === NO_FOLDER) return followLinks ? "nothing" : await this.#follow(walk, at);
    walk.way.push(name);
    const next = new Folder(fd, await stateOf(fd), walk.folder.since);
    this.#move(walk, this.#keep(walk.way, next));
    return "further";
  }

  /** Walks on at the target of a link, which must lie below the root. */
  async #follow(walk: Walk, at: Buffer): Promise<"further" | "nothing"> {
    const target = await absentAsNull(linkTarget(at, "latin1"));
    walk.links += 1;
    if (target === null || walk.links > MAX_LINKS) return "nothing";
    if (!target.startsWith("/")) {
      walk.rest.unshift(...target.split("/"));
      return "further";
    }
    const root = await this.#openRoot();
    if (root === null) return "nothing";
    this.#move(walk, root);
    walk.way.length = 0;
    const real = await absentAsNull(linkTarget(`/proc/self/fd/${root.fd}`, "latin1"));
    const base = [this.#rootName, real].find((path) => path !== null && isBelow(target, path));
    if (base === undefined || base === null) return "nothing";
    walk.rest.unshift(...target.slice(base.length).split("/"));
    return "further";
  }

  /** The root's path as bytes. */
  get #rootName(): string {
    return Buffer.from(this.#options.root).toString("latin1");
  }

  /** ".." in the target of a link: the way is walked anew, because the folder may lie elsewhere by now. */
  async #up(walk: Walk): Promise<"further" | "nothing"> {
    // Above the root there is nothing.
    if (walk.way.length === 0) return "nothing";
    const root = await this.#openRoot();
    if (root === null) return "nothing";
    walk.rest.unshift(...walk.way.slice(0, -1));
    this.#move(walk, root);
    walk.way.length = 0;
    return "further";
  }

  #move(walk: Walk, folder: Folder): void {
    walk.folder.release();
    walk.folder = folder;
  }

  async #openRoot(): Promise<Folder | null> {
    const near = this.#take([]);
    if (near !== null) return near;
    const since = performance.now();
    const fd = await absentAsNull(openFile(this.#options.root, FOLDER_FLAGS));
    return fd === null ? null : this.#keep([], new Folder(fd, await stateOf(fd), since));
  }

  /** A kept folder, with one more user; null if there is none that is new enough. */
  #take(way: readonly string[]): Folder | null {
    const folder = this.#kept.get(way.join("/"));
    const isNew = folder !== undefined && performance.now() - folder.since < FOLDER_MS;
    return isNew ? folder.use() : null;
  }

  #keep(way: readonly string[], folder: Folder): Folder {
    const key = way.join("/");
    this.#drop(key);
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size >= MAX_FOLDERS) this.#drop(oldest);
    this.#kept.set(key, folder.use());
    this.#planSweep();
    return folder;
  }

  #drop(key: string): void {
    this.#kept.get(key)?.release();
    this.#kept.delete(key);
  }

  // Kept folders are closed soon after their last use: a folder that is open cannot be unmounted.
  #planSweep(): void {
    if (this.#isSweepPlanned) return;
    this.#isSweepPlanned = true;
    setTimeout(() => {
      this.#isSweepPlanned = false;
      const oldest = performance.now() - FOLDER_MS;
      for (const [key, { since }] of this.#kept) if (since <= oldest) this.#drop(key);
      if (this.#kept.size > 0) this.#planSweep();
    }, FOLDER_MS).unref();
  }

  async #allowed<Value>(found: Promise<Value>, walk: Walk, name: string): Promise<Value | null> {
    return await absentAsNull(found, () => this.#options.onDenied?.([...walk.way, name].join("/")));
  }
}

/** Null in place of an error that means that there is nothing that can be served. */
async function absentAsNull<Value>(
  found: Promise<Value>,
  onDenied?: () => void,
): Promise<Value | null> {
  try {
    return await found;
  } catch (error) {
    const code = codeOf(error);
    if (!ABSENT.has(code)) throw error;
    if (code === "EACCES" || code === "EPERM") onDenied?.();
    return null;
  }
}

/** The state of what was opened; where the system does not tell it, the descriptor is closed. */
async function stateOf(fd: number): Promise<Stats> {
  try {
    return await statOpen(fd);
  } catch (error) {
    closeSoon(fd);
    throw error;
  }
}

function notAFolder(error: unknown): number {
  if (codeOf(error) === "ENOTDIR") return NO_FOLDER;
  throw error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Closing writes nothing, so its errors say nothing. */
function closeSoon(fd: number): void {
  close(fd, () => undefined);
}

function isBelow(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}
