// A private folder of temporary files, for bodies of requests and responses that do not fit into memory, with
// one limit of bytes and one of files over all of them. The folder is made with its first file and removed when
// the server stops. Programs that clean temporary folders may remove the folder, and another user may then make
// its path anew: so the folder is looked at before each use, and a file's name cannot be guessed, so that no
// link in the folder's place leads unlink() to a file of others.
//
// Without room a response waits for its client, and a request's body takes the place of the slowest other body,
// if that one is slow; else it is refused.

import { randomBytes } from "node:crypto";
import { lstat, mkdtemp, open, rm, unlink, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { detachBuffer } from "./buffer-pool.ts";
import type { OpenFiles } from "./open-files.ts";

/** Temporary files at most, also where the process may open more; and their share of what it may open. */
export const MAX_TEMP_FILES = 10_000;
const FILES_SHARE = 0.5;
/** Share of the limits for responses, so that clients who read slowly leave room for requests. */
const RESPONSE_SHARE = 0.5;
/** A body below this rate is given up for another one that has no room. */
export const SLOW_BYTES_PER_SECOND = 16_384;
const NAME_BYTES = 16;

/** There is no room for a further temporary file, or for further bytes. */
export class NoTempRoom extends Error {
  readonly code = "TEMP_FULL";
}

/** What a temporary file is for. */
export interface TempFileUse {
  readonly kind: "request" | "response";
  /** Bytes a second since the body began; Infinity: the file cannot be given up for another one. */
  pace(now: number): number;
  /** The file's room is given to another one. The file must be discarded. */
  giveUp(): void;
}

export interface TempFolderOptions {
  /** A folder that can be written to; if it is gone, the system's own folder is used. */
  readonly parent: string;
  /** Bytes of all files together. */
  readonly maxBytes: number;
  readonly openFiles: OpenFiles;
  /** performance.now() by default. */
  readonly now?: () => number;
}

/** Files and bytes of one kind of use. */
interface Usage {
  files: number;
  bytes: number;
}

export class TempFolder {
  readonly #parents: readonly string[];
  readonly #openFiles: OpenFiles;
  readonly #maxBytes: number;
  readonly #maxFiles: number;
  readonly #now: () => number;
  #folder: Promise<string> | null = null;
  readonly #files = new Set<TempFile>();
  readonly #used: Readonly<Record<TempFileUse["kind"], Usage>> = {
    request: { files: 0, bytes: 0 },
    response: { files: 0, bytes: 0 },
  };

  constructor({ parent, maxBytes, openFiles, now }: TempFolderOptions) {
    this.#now = now ?? (() => performance.now());
    this.#parents = [parent, tmpdir()];
    this.#openFiles = openFiles;
    this.#maxBytes = maxBytes;
    this.#maxFiles = Math.min(MAX_TEMP_FILES, Math.floor(openFiles.usable * FILES_SHARE));
  }

  /** Whether `use` may have one more file. */
  hasRoom({ kind }: TempFileUse): boolean {
    return this.#mayHave(kind, 1, 0) && this.#openFiles.mayOpen();
  }

  /** Creates a file of mode 0600. Rejects with NoTempRoom, or the file system's error (ENOSPC, EACCES …). */
  async create(use: TempFileUse): Promise<TempFile> {
    if (!this.hasRoom(use) && !this.#giveUpSlowest(use))
      throw new NoTempRoom("as many temporary files as may be are open");
    const file = new TempFile(this, use, this.#openFiles);
    this.#files.add(file);
    this.#used[use.kind].files += 1;
    try {
      // wx+: a file that is there already, or a link, is an error.
      const path = join(await this.#usable(), randomBytes(NAME_BYTES).toString("hex"));
      file.begin(path, await open(path, "wx+", 0o600));
      return file;
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  /** Counts bytes that a file is to get; false: there is no room. */
  take(file: TempFile, bytes: number): boolean {
    const { use } = file;
    while (!this.#mayHave(use.kind, 0, bytes)) if (!this.#giveUpSlowest(use)) return false;
    // A file that was given up is not counted any more.
    if (this.#files.has(file)) this.#used[use.kind].bytes += bytes;
    return true;
  }

  /** A file gives back `bytes`; `isGone`: and itself. */
  give(file: TempFile, bytes: number, isGone: boolean): void {
    if (!this.#files.has(file)) return;
    const used = this.#used[file.use.kind];
    used.bytes -= bytes;
    if (!isGone) return;
    this.#files.delete(file);
    used.files -= 1;
  }

  /** Removes the folder with all its files. Never rejects: what cannot be removed is left to a cleaner. */
  async remove(): Promise<void> {
    const folder = await this.#folder?.catch(() => null);
    if (folder && (await isOurs(folder)))
      await rm(folder, { recursive: true, force: true }).catch(leave);
  }

  #mayHave(kind: TempFileUse["kind"], files: number, bytes: number): boolean {
    const { request, response } = this.#used;
    if (request.files + response.files + files > this.#maxFiles) return false;
    if (request.bytes + response.bytes + bytes > this.#maxBytes) return false;
    if (kind === "request") return true;
    return (
      response.files + files <= this.#maxFiles * RESPONSE_SHARE &&
      response.bytes + bytes <= this.#maxBytes * RESPONSE_SHARE
    );
  }

  // Only a request's body may take another's place: a response can wait.
  #giveUpSlowest(use: TempFileUse): boolean {
    if (use.kind === "response") return false;
    const now = this.#now();
    let slowest: TempFile | null = null;
    let least = SLOW_BYTES_PER_SECOND;
    for (const file of this.#files) {
      const pace = file.use === use ? Infinity : file.use.pace(now);
      if (pace >= least) continue;
      least = pace;
      slowest = file;
    }
    if (slowest === null) return false;
    // At once: the file itself may still be written to.
    slowest.forget();
    slowest.use.giveUp();
    return true;
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

/** A file in a TempFolder, open for reading and writing until it is sealed. */
export class TempFile {
  readonly use: TempFileUse;
  readonly #folder: TempFolder;
  readonly #openFiles: OpenFiles;
  #path = "";
  #handle: FileHandle | null = null;
  #state: "opening" | "open" | "closing" | "closed" = "opening";
  #bytes = 0;

  constructor(folder: TempFolder, use: TempFileUse, openFiles: OpenFiles) {
    this.#folder = folder;
    this.use = use;
    this.#openFiles = openFiles;
    openFiles.opening();
  }

  get path(): string {
    return this.#path;
  }

  begin(path: string, handle: FileHandle): void {
    this.#path = path;
    this.#handle = handle;
    this.#openFiles.opened();
    this.#state = "open";
  }

  /** Whether `bytes` more have room; they are counted then. */
  reserve(bytes: number): boolean {
    if (!this.#folder.take(this, bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Writes chunks that have room (`reserve`), and frees their memory. `at`: by default behind the last ones. */
  async write(chunks: readonly Buffer[], at?: number): Promise<void> {
    const length = lengthOf(chunks);
    const { bytesWritten } = await this.#opened.writev(chunks, at);
    if (bytesWritten < length) throw new Error("a short write to a temporary file");
    for (const chunk of chunks) detachBuffer(chunk);
  }

  /** Reads exactly `length` bytes or fewer; never none. */
  async read(length: number, at: number): Promise<Buffer> {
    const { bytesRead, buffer } = await this.#opened.read(
      Buffer.allocUnsafe(length),
      0,
      length,
      at,
    );
    if (bytesRead === 0) throw new Error("a temporary file has become shorter");
    return buffer.subarray(0, bytesRead);
  }

  /** Empties the file. */
  async truncate(): Promise<void> {
    await this.#opened.truncate(0);
    this.#folder.give(this, this.#bytes, false);
    this.#bytes = 0;
  }

  /** Removes the file's name: its space is freed when its descriptor closes, also at a SIGKILL. */
  async unlink(): Promise<void> {
    await unlink(this.#path).catch(ignoreMissing);
    this.#path = "";
  }

  /** Closes the descriptor; the file is complete and stays. */
  async seal(): Promise<void> {
    const handle = this.#opened;
    this.#closing();
    try {
      await handle.close();
    } finally {
      this.#closed();
    }
  }

  /** Counts the file no longer. */
  forget(): void {
    this.#folder.give(this, this.#bytes, true);
  }

  /** Closes and removes the file, which may be gone already. Never rejects: what stays goes with the folder. */
  async discard(): Promise<void> {
    const handle = this.#handle;
    const path = this.#path;
    this.#path = "";
    this.#closing();
    await handle?.close().catch(leave);
    this.#closed();
    if (path !== "") await unlink(path).catch(leave);
    this.forget();
  }

  get #opened(): FileHandle {
    if (this.#handle === null) throw new Error("a temporary file is closed");
    return this.#handle;
  }

  // The second of two calls, or one while another closes the file, does nothing.
  #closing(): void {
    this.#handle = null;
    if (this.#state === "opening") this.#openFiles.opened();
    if (this.#state === "opening" || this.#state === "open") {
      this.#openFiles.closing();
      this.#state = "closing";
    }
  }

  #closed(): void {
    if (this.#state !== "closing") return;
    this.#openFiles.closed();
    this.#state = "closed";
  }
}

/** The bytes of all chunks. */
function lengthOf(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
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

function leave(): void {
  // A folder in the place of the file, a file system that fails: nobody can do anything about it here.
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
