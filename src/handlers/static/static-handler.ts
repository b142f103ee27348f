// Responds with the files of a folder. A hot file costs one look-up in the cache and no system call; the bytes of
// a large one are read while they are sent.
//
//   path ─▶ known? ──yes──▶ coding ─▶ conditions, ranges ─▶ in memory? ──yes──▶ respond
//             └no─▶ resolve ─▶ ▲                                 └no─▶ load, or open ─▶ FileSender
//                     └ a folder: redirect, list · nothing: fallback, 404.html, NOT_FOUND

import { chooseCoding } from "../../http/content-coding.ts";
import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import {
  HAS_CODING,
  HAS_CONDITION,
  HAS_RANGE,
  type RequestHead,
  type ResponseHead,
} from "../../http/message.ts";
import { responseHead } from "../../http/response-head.ts";
import { select, type Selection } from "../../http/selected-response.ts";
import { FileSender, type FilePart } from "../../net/file-sender.ts";
import { FileTree, isSameVersion, type FileCount, type OpenFile } from "../../net/file-tree.ts";
import type { CacheMemory, KnownFile } from "./file-cache.ts";
import { FALLBACK, FileFinder, NOT_FOUND_PAGE } from "./file-finder.ts";
import { fileVersion, notFoundHead, type FileVersion } from "./file-version.ts";
import { listFolder } from "./listing.ts";
import { encodePath, isPagePath } from "./paths.ts";

const EMPTY = Buffer.alloc(0);
/** Requests without these fields get the whole file. */
const HAS_CHOICE = HAS_CONDITION | HAS_RANGE;
const OPTIONS_HEAD = responseHead(204, "No Content", [["Allow", "GET, HEAD, OPTIONS"]]);
const LIST_HEAD = responseHead(200, "OK", [
  ["Content-Type", "text/html; charset=utf-8"],
  ["Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"],
  ["X-Content-Type-Options", "nosniff"],
]);
/** Errors of the system that end with the request that has met them: too many open files. */
const BUSY: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);
/** Least time between two reports of files that cannot be read: clients may ask for them in a loop. */
const REPORT_MS = 1000;

export interface StaticOptions {
  /** Absolute. */
  readonly folder: string;
  /** What is removed from the canonical path: "" or "/prefix". */
  readonly prefix: string;
  /** Names of files that stand for their folder; the first that there is counts. */
  readonly index: readonly string[];
  /** Whether a folder without such a file is shown as a list. */
  readonly listing: boolean;
  readonly followSymlinks: boolean;
  /** Folders of programs below the folder, and programs: nothing is sent of them. */
  readonly hidden: readonly string[];
  /** Shown for paths of pages where there is no file; "" = none. */
  readonly fallback: string;
  /** Shared by all static routes. */
  readonly memory: CacheMemory;
  readonly count: FileCount;
  /** A file or folder cannot be read. `path`: latin-1; `code`: the system's. */
  readonly onUnreadable: (path: string, code: string) => void;
}

export class StaticHandler implements Handler {
  readonly #options: StaticOptions;
  readonly #tree: FileTree;
  readonly #finder: FileFinder;
  /** Lists are made one after the other: each looks at many files. */
  #lists: Promise<void> = Promise.resolve();
  #nextReport = 0;

  constructor(options: StaticOptions) {
    const { folder, followSymlinks, hidden, count } = options;
    this.#options = options;
    this.#tree = new FileTree({
      root: folder,
      followLinks: followSymlinks,
      hidden,
      count,
      onDenied: (path) => this.#report(path, "EACCES"),
    });
    this.#finder = new FileFinder({ ...options, tree: this.#tree });
  }

  handle(exchange: Exchange): void {
    const { method } = exchange.head;
    if (method === "GET" || method === "HEAD") {
      const file = this.#finder.known(exchange.path);
      if (file === null) void this.#guard(exchange, this.#find(exchange));
      else this.#serve(exchange, file);
    } else if (method === "OPTIONS") exchange.respond(OPTIONS_HEAD, EMPTY);
    else exchange.fail(ERRORS.FILE_METHOD);
  }

  async #find(exchange: Exchange): Promise<void> {
    const found = await this.#finder.resolve(exchange.path);
    if (found === null) await this.#missing(exchange);
    else if (found === "redirect") redirect(exchange);
    else if (found === "list") await this.#list(exchange);
    else this.#serve(exchange, found);
  }

  #serve(exchange: Exchange, file: KnownFile): void {
    const { head } = exchange;
    const isCoded = file.coded.length > 0 && (head.fields & HAS_CODING) !== 0;
    const version = isCoded ? codedVersion(file, head) : file.plain;
    // Most files are pictures and the like: nothing of them is coded.
    if (!version.isCodable) exchange.coder = null;
    if (version.body !== null || head.method === "HEAD") respond(exchange, version);
    // Most conditional requests get 304, which needs no bytes.
    else if ((head.fields & HAS_CHOICE) !== 0 && !needsBytes(selectFor(exchange, version)))
      respond(exchange, version);
    else void this.#guard(exchange, this.#read(exchange, file, version));
  }

  /** Responds with a version whose bytes are not in memory. */
  async #read(exchange: Exchange, file: KnownFile, version: FileVersion): Promise<void> {
    const loaded = await this.#finder.load(file, version);
    if (loaded !== null) {
      respond(exchange, loaded);
      return;
    }
    const opened = await this.#finder.open(version.names);
    const isSame = opened !== null && isSameVersion(opened.stats, version.stats);
    if (!isSame) this.#finder.forget(exchange.path);
    if (version.coding !== "identity" && !isSame) {
      // The coded file may be older than the plain one by now.
      opened?.close();
      await this.#read(exchange, file, file.plain);
    } else if (opened === null) await this.#missing(exchange);
    else {
      const facts = {
        ...version,
        typeName: version.names.at(-1) ?? "",
        varies: file.coded.length > 0,
      };
      send(exchange, opened, isSame ? version : fileVersion(facts, opened.stats, Date.now()));
    }
  }

  /** There is no file at the path. */
  async #missing(exchange: Exchange): Promise<void> {
    const names = this.#finder.namesOf(exchange.path);
    if (this.#options.fallback !== "" && names !== null && isPagePath(names)) {
      const fallback = await this.#page(FALLBACK);
      if (fallback !== null) {
        this.#serve(exchange, fallback);
        return;
      }
    }
    const hasOwnPage = (exchange.policy?.errorPage(ERRORS.NOT_FOUND) ?? null) !== null;
    const page = hasOwnPage ? null : await this.#page(NOT_FOUND_PAGE);
    const loaded = page === null ? null : await this.#finder.load(page, page.plain);
    if (loaded === null || loaded.body === null) exchange.fail(ERRORS.NOT_FOUND);
    else exchange.respond(notFoundHead(loaded), loaded.body, loaded.codings);
  }

  async #page(key: string): Promise<KnownFile | null> {
    const found = this.#finder.known(key) ?? (await this.#finder.resolve(key));
    return typeof found === "string" ? null : found;
  }

  async #list(exchange: Exchange): Promise<void> {
    const names = this.#finder.namesOf(exchange.path) ?? [];
    const before = this.#lists;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lists = promise;
    await before;
    let page: string | null = null;
    try {
      if (!exchange.isFinished) page = await listFolder(this.#tree, names, exchange.path);
    } finally {
      resolve();
    }
    if (page === null) exchange.fail(ERRORS.NOT_FOUND);
    else exchange.respond(LIST_HEAD, Buffer.from(page));
  }

  /** Responds where the file system fails. */
  async #guard(exchange: Exchange, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      // A folder that may be entered and not read cannot be listed.
      if (code === "EACCES") exchange.fail(ERRORS.NOT_FOUND);
      else exchange.fail(BUSY.has(code) ? ERRORS.NO_DESCRIPTORS : ERRORS.SERVER_FAULT);
      // Without a code the fault is ours: the server logs it.
      if (code === "") throw error;
      this.#report(exchange.path, code);
    }
  }

  #report(path: string, code: string): void {
    const now = performance.now();
    if (now < this.#nextReport) return;
    this.#nextReport = now + REPORT_MS;
    this.#options.onUnreadable(path, code);
  }
}

/** The coded version that the client prefers, or the plain one. */
function codedVersion(file: KnownFile, { names, values }: RequestHead): FileVersion {
  const accept = values.filter((_, index) => names[index] === "accept-encoding").join(",");
  const offers = file.coded.map(({ coding }) => coding).filter((coding) => coding !== "identity");
  const chosen = chooseCoding(accept, offers);
  return file.coded.find(({ coding }) => coding === chosen) ?? file.plain;
}

function selectFor(exchange: Exchange, version: FileVersion): Selection {
  return select(exchange.head, version, Date.now() / 1000);
}

function needsBytes(selection: Selection): boolean {
  return selection === "whole" || (selection !== "not-modified" && selection.kind === "parts");
}

/** Responds with a version whose bytes are in memory, or are not needed. */
function respond(exchange: Exchange, version: FileVersion): void {
  const body = version.body ?? EMPTY;
  if ((exchange.head.fields & HAS_CHOICE) === 0) {
    exchange.respond(version.head, body, version.codings);
    return;
  }
  const selection = selectFor(exchange, version);
  if (selection === "whole") exchange.respond(version.head, body, version.codings);
  else if (selection === "not-modified") exchange.respond(version.notModified, EMPTY);
  else if (selection.kind === "error") exchange.fail(selection.error);
  else {
    const parts = selection.parts.map((part) =>
      typeof part === "string" ? Buffer.from(part) : body.subarray(part.start, part.end),
    );
    const [only] = parts;
    exchange.respond(
      selection.head,
      only !== undefined && parts.length === 1 ? only : Buffer.concat(parts),
    );
  }
}

/** Responds with a file that is open, and closes the file. */
function send(exchange: Exchange, file: OpenFile, version: FileVersion): void {
  const selection = selectFor(exchange, version);
  if (exchange.isFinished) file.close();
  else if (!needsBytes(selection)) {
    file.close();
    respond(exchange, version);
  } else if (selection === "whole")
    stream(exchange, file, version.head, [{ start: 0, end: version.length }]);
  else if (selection !== "not-modified" && selection.kind === "parts")
    stream(exchange, file, selection.head, selection.parts);
}

function stream(
  exchange: Exchange,
  file: OpenFile,
  head: ResponseHead,
  parts: readonly FilePart[],
): void {
  const sender = new FileSender(file, exchange, parts);
  exchange.listener = sender;
  exchange.start(head);
  sender.start();
}

/** To the folder's own path, which ends with a slash. A canonical path cannot name another host. */
function redirect(exchange: Exchange): void {
  const { query } = exchange.effectiveHead;
  const location = `${encodePath(exchange.path)}/${query === "" ? "" : `?${query}`}`;
  exchange.respond(responseHead(301, "Moved Permanently", [["Location", location]]), EMPTY);
}
