// Finds what the path of a request names in a served folder, and remembers it for a moment (file-cache.ts).
// Requests for one path that come together ask the file system once.

import { isCompressible, type Coding } from "../../http/content-coding.ts";
import { contentTypeOf } from "../../http/media-types.ts";
import { isSameVersion, type FileTree, type OpenFile, type Place } from "../../net/file-tree.ts";
import { FileCache, KnownFile, MAX_CACHED_FILE_BYTES, type CacheMemory } from "./file-cache.ts";
import { FileCodings } from "./file-codings.ts";
import { fileVersion, isSettled, type FileVersion } from "./file-version.ts";
import { namesOf } from "./paths.ts";

/** Keys of files that are found by no path: a path holds no NUL. */
export const FALLBACK = "\0fallback";
export const NOT_FOUND_PAGE = "\0not-found";
/** Endings of coded files, in the server's order: the smallest files first. */
const CODED: readonly (readonly [coding: Coding, ending: string])[] = [
  ["br", ".br"],
  ["zstd", ".zst"],
  ["gzip", ".gz"],
];
/** A request takes part in a search that another one has begun, if that is so recent. */
const SHARED_SEARCH_MS = 300;
/** A file that changes while it is read is read anew so many times. */
const READINGS = 3;

export interface FinderOptions {
  readonly tree: FileTree;
  readonly memory: CacheMemory;
  /** What is removed from a path: "" or "/prefix". */
  readonly prefix: string;
  /** Names of files that stand for their folder; the first that there is counts. */
  readonly index: readonly string[];
  /** Whether folders without such a file are listed. */
  readonly listing: boolean;
  /** The file for FALLBACK, below the folder; "" = none. */
  readonly fallback: string;
}

/** What a path leads to; null: nothing that is served. */
export type Resolved = KnownFile | "redirect" | "list" | null;

interface Search {
  readonly since: number;
  readonly resolved: Promise<Resolved>;
}

export class FileFinder {
  readonly #options: FinderOptions;
  readonly #tree: FileTree;
  readonly #cache: FileCache;
  /** Running searches, at most one for each waiting request. */
  readonly #searches = new Map<string, Search>();

  constructor(options: FinderOptions) {
    this.#options = options;
    this.#tree = options.tree;
    this.#cache = new FileCache(options.memory);
  }

  /** The names below the folder; null: hidden. */
  namesOf(path: string): readonly string[] | null {
    return namesOf(path.slice(this.#options.prefix.length));
  }

  /** The cached file of a path while the entry is valid, else null. */
  known(path: string): KnownFile | null {
    const file = this.#cache.get(path);
    if (file === undefined) return null;
    const now = performance.now();
    if (now >= file.validUntil) return null;
    file.isUsed = true;
    if (now >= file.refreshAt && !file.isRefreshing) void this.#refresh(path, file);
    return file;
  }

  /** Asks the file system what a path leads to. Rejects with its errors. */
  async resolve(path: string): Promise<Resolved> {
    const since = performance.now();
    const running = this.#searches.get(path);
    if (running !== undefined && since - running.since < SHARED_SEARCH_MS)
      return await running.resolved;
    const search: Search = { since, resolved: this.#search(path) };
    this.#searches.set(path, search);
    try {
      return await search.resolved;
    } finally {
      if (this.#searches.get(path) === search) this.#searches.delete(path);
    }
  }

  /** Forgets what is known of a path. */
  forget(path: string): void {
    this.#cache.delete(path);
  }

  /**
   * Reads the bytes of a small file into memory; requests that come together read them once. Null: the file is
   * another one by now, or does not stand still.
   */
  async load(file: KnownFile, version: FileVersion): Promise<FileVersion | null> {
    if (version.body !== null) return version;
    if (version.length > MAX_CACHED_FILE_BYTES) return null;
    version.loading ??= this.#load(file, version);
    try {
      return await version.loading;
    } finally {
      version.loading = null;
    }
  }

  /** Opens a file for one response. Null: there is none. */
  async open(names: readonly string[]): Promise<OpenFile | null> {
    const place = await this.#tree.find(names);
    if (place === null) return null;
    try {
      return place.kind === "file" ? await place.open() : null;
    } finally {
      place.release();
    }
  }

  // Asks the file system before the entry expires, so that no request waits. An error is left to the next request.
  async #refresh(path: string, file: KnownFile): Promise<void> {
    file.isRefreshing = true;
    try {
      await this.resolve(path);
    } catch {
      // The file stays known until its time is over.
    }
    file.isRefreshing = false;
  }

  async #search(path: string): Promise<Resolved> {
    const resolved = await this.#look(path);
    if (resolved instanceof KnownFile) this.#cache.set(path, resolved);
    else this.#cache.delete(path);
    return resolved;
  }

  async #look(path: string): Promise<Resolved> {
    const { prefix, fallback, listing } = this.#options;
    if (path === FALLBACK) return asFile(await this.#fileAt(fallback.split("/"), path));
    if (path === NOT_FOUND_PAGE) return asFile(await this.#fileAt(["404.html"], path));
    const names = this.namesOf(path);
    if (names === null) return null;
    const isFolder = path.length > prefix.length && path.endsWith("/");
    if (!isFolder) {
      const found = await this.#fileAt(names, path);
      if (found !== "folder") return found;
    }
    for (const name of this.#options.index) {
      const index = asFile(await this.#fileAt([...names, name], path));
      if (index !== null) return isFolder ? index : "redirect";
    }
    if (!listing) return null;
    const place = await this.#tree.find(names);
    place?.release();
    if (place?.kind !== "folder") return null;
    return isFolder ? "list" : "redirect";
  }

  /** The file as it is now; versions that have not changed are the cached ones. `key`: of the cache. */
  async #fileAt(names: readonly string[], key: string): Promise<KnownFile | "folder" | null> {
    const place = await this.#find(names);
    if (place?.stats === null) return "folder";
    if (place === null) return null;
    const { stats, folderStats, since } = place;
    const cached = this.#cache.get(key);
    const before = cached !== undefined && isStill(cached.plain, place, names) ? cached : null;
    const looksForAll =
      before === null || before.folder === null || !isSameVersion(before.folder, folderStats);
    const coded = await this.#codedBeside(names, stats.mtimeMs, before, looksForAll);
    const varies = coded.length > 0;
    const hasSameHead = before !== null && before.coded.length > 0 === varies;
    const facts = { names, typeName: names.at(-1) ?? "", coding: "identity", varies } as const;
    const plain = hasSameHead ? before.plain : fileVersion(facts, stats, Date.now());
    const isSame = hasSameHead && isSameList(before.coded, coded);
    const file = isSame ? before : new KnownFile(plain, coded);
    file.confirm(since, this.#options.memory.validMs);
    const seenAt = Date.now() - (performance.now() - since);
    file.folder = isSettled(folderStats, seenAt) ? folderStats : null;
    return file;
  }

  /** The coded files beside a file; one that is older than the file holds other bytes. */
  async #codedBeside(
    names: readonly string[],
    modifiedMs: number,
    before: KnownFile | null,
    looksForAll: boolean,
  ): Promise<readonly FileVersion[]> {
    const name = names.at(-1) ?? "";
    if (!isCompressible(contentTypeOf(name))) return [];
    const known = (coding: Coding): FileVersion | undefined =>
      before?.coded.find((one) => one.coding === coding);
    const kinds = CODED.filter(([coding]) => looksForAll || known(coding) !== undefined);
    const found = await Promise.all(
      kinds.map(async ([coding, ending]) => {
        const way = [...names.slice(0, -1), name + ending];
        const place = await this.#find(way);
        if (place === null || place.stats === null || place.stats.mtimeMs < modifiedMs) return null;
        const old = known(coding);
        if (old !== undefined && isStill(old, place, way)) return old;
        const facts = { names: way, typeName: name, coding, varies: true };
        return fileVersion(facts, place.stats, Date.now());
      }),
    );
    return found.filter((version) => version !== null);
  }

  /** A place that is not held: its state and its time count. */
  async #find(names: readonly string[]): Promise<Place | null> {
    const place = await this.#tree.find(names);
    place?.release();
    return place;
  }

  async #load(file: KnownFile, version: FileVersion): Promise<FileVersion | null> {
    for (let reading = 0; reading < READINGS; reading += 1) {
      const opened = await this.open(version.names);
      if (opened === null) return null;
      try {
        if (!isSameVersion(opened.stats, version.stats)) return null;
        const body = await opened.readAll();
        if (body === null) continue;
        version.body = body;
        if (version.isCodable)
          version.codings = new FileCodings(body, () => this.#cache.grow(file));
        this.#cache.grow(file);
        return version;
      } finally {
        opened.close();
      }
    }
    return null;
  }
}

function asFile(found: KnownFile | "folder" | null): KnownFile | null {
  return found === "folder" ? null : found;
}

/** Whether a version is that of a place now. */
function isStill(version: FileVersion, place: Place, names: readonly string[]): boolean {
  return (
    version.isSettled &&
    place.stats !== null &&
    isSameVersion(version.stats, place.stats) &&
    version.names.join("/") === names.join("/")
  );
}

function isSameList(a: readonly FileVersion[], b: readonly FileVersion[]): boolean {
  return a.length === b.length && a.every((version, index) => version === b[index]);
}
