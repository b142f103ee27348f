// Cache of the files that requests name: their versions, and the bytes of small files, in bounded memory. The key is
// the path of the request, so that a hot file costs one look-up. An entry is used for at most a second after the
// file system was asked.
//
//   asked ────────── fresh ──────────▶ refreshAt ──── used, and asked again ────▶ validUntil ─── asked first ───▶

import type { Stats } from "node:fs";

import type { FileVersion } from "./file-version.ts";

/** Larger files are read from the disk for each request. */
export const MAX_CACHED_FILE_BYTES = 1_048_576;
/** All cached files of a server together. */
const CACHE_BYTES = 67_108_864;
/** What an entry costs besides the bytes of its file. */
const ENTRY_BYTES = 2048;
/** How long an entry is valid after the file system was asked. */
const VALID_MS = 1000;
const REFRESH_MS = 700;

/** A file as the file system had it when it was asked. */
export class KnownFile {
  readonly plain: FileVersion;
  /** Coded files beside it, the best first. */
  readonly coded: readonly FileVersion[];
  /**
   * The file's folder when coded files were looked for: one that was not changed since has no new ones. Null: a
   * change of that moment would not show.
   */
  folder: Stats | null = null;
  validUntil = 0;
  refreshAt = 0;
  isRefreshing = false;
  /** Whether the file was asked for since the cache last looked for something to forget. */
  isUsed = false;

  constructor(plain: FileVersion, coded: readonly FileVersion[]) {
    this.plain = plain;
    this.coded = coded;
  }

  /** `askedAt`: performance.now() before the file system was asked. */
  confirm(askedAt: number, validMs: number): void {
    this.validUntil = askedAt + validMs;
    this.refreshAt = askedAt + Math.min(REFRESH_MS, validMs);
  }
}

interface Entry {
  readonly file: KnownFile;
  bytes: number;
  readonly forget: () => void;
}

/** Memory that the caches of all routes share. The entry that was not used for longest is forgotten first. */
export class CacheMemory {
  /** How long an entry is valid; 0: the file system is asked for each request. */
  readonly validMs: number;
  readonly #limit: number;
  #used = 0;
  /** From the oldest to the newest. */
  readonly #entries = new Map<KnownFile, Entry>();

  constructor(limit: number = CACHE_BYTES, validMs: number = VALID_MS) {
    this.#limit = limit;
    this.validMs = validMs;
  }

  get usedBytes(): number {
    return this.#used;
  }

  add(file: KnownFile, forget: () => void): void {
    this.#entries.set(file, { file, bytes: 0, forget });
    this.grow(file);
  }

  /** Counts the file's bytes anew. */
  grow(file: KnownFile): void {
    const entry = this.#entries.get(file);
    if (entry === undefined) return;
    const bytes = bytesOf(file);
    this.#used += bytes - entry.bytes;
    entry.bytes = bytes;
    this.#shrink();
  }

  remove(file: KnownFile): void {
    const entry = this.#entries.get(file);
    if (entry === undefined) return;
    this.#used -= entry.bytes;
    this.#entries.delete(file);
  }

  // Second chance: an entry that was used goes to the end, and counts as unused from then on.
  #shrink(): void {
    for (const [file, entry] of this.#entries) {
      if (this.#used <= this.#limit) return;
      if (file.isUsed) {
        file.isUsed = false;
        this.#entries.delete(file);
        this.#entries.set(file, entry);
      } else {
        this.remove(file);
        entry.forget();
      }
    }
  }
}

/** The known files of one route, by the path of the request. */
export class FileCache {
  readonly #memory: CacheMemory;
  readonly #files = new Map<string, KnownFile>();

  constructor(memory: CacheMemory) {
    this.#memory = memory;
  }

  get(path: string): KnownFile | undefined {
    return this.#files.get(path);
  }

  set(path: string, file: KnownFile): void {
    const before = this.#files.get(path);
    if (before === file) return;
    if (before !== undefined) this.#memory.remove(before);
    this.#files.set(path, file);
    this.#memory.add(file, () => {
      if (this.#files.get(path) === file) this.#files.delete(path);
    });
  }

  delete(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#memory.remove(file);
    this.#files.delete(path);
  }

  /** The bytes of a version of the file have come into memory. */
  grow(file: KnownFile): void {
    this.#memory.grow(file);
  }
}

function bytesOf(file: KnownFile): number {
  return [file.plain, ...file.coded].reduce(
    (sum, { body, codings }) => sum + (body?.length ?? 0) + (codings?.bytes ?? 0),
    ENTRY_BYTES,
  );
}
