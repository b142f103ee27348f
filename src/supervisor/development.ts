// Reloads of a developer's server (--reload). When a file changes, requests wait until the new code is loaded,
// or its traceback can be shown. A change during a load makes that load outdated; the next load replaces it.
//
//   starting ──begin──▶ idle ──change──▶ settling ──20 ms of quiet──▶ loading ──done──▶ idle
//                        requests wait:  │◀──change─┘◀────change─────────┘
//
// Where pages reload themselves (typhon dev), a change of a style sheet, a script or a picture is told to the pages
// and loads no code.

import { basename, relative } from "node:path";

import type { Log } from "../observe/log.ts";
import {
  dropBytecode,
  fitsPattern,
  isCodeFile,
  isPageFile,
  type FilePatterns,
} from "./code-files.ts";
import { asFailure, logOutcome, outcomeOf, type Reloader, type ReloadOutcome } from "./reloads.ts";
import { FolderWatch } from "./watch.ts";

/** Time without changes before a load, ms: one save is several events, and a formatter may follow it. */
const QUIET_MS = 20;
/** Time from the first change of a page's files until the pages are told, ms: a bundler writes many files. */
const PAGE_SETTLING_MS = 50;
/** Longest wait for QUIET_MS without changes, as in a checkout of thousands of files, ms. */
const MAX_SETTLING_MS = 500;
/** Most names of changed files that are kept. The bytecode of further files is left to Python's own check. */
const MAX_CHANGED = 1000;

/** What the operator can do about an error of the system's watches. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "raise fs.inotify.max_user_watches, or "],
  ["EMFILE", "raise fs.inotify.max_user_instances, or "],
]);

/** A server whose code can be reloaded while requests wait. */
export interface DevelopedServer {
  /** Null: the new code serves. Rejects with OperatorError where the configuration has a mistake. */
  reload(): Promise<string | null>;
  hold(): void;
  resume(): void;
  /** Pages show their style sheets, or all, anew. */
  refresh(change: "page" | "styles"): Promise<void>;
}

export interface DevelopmentOptions {
  readonly server: DevelopedServer;
  readonly log: Log;
  /** Absolute. */
  readonly folders: readonly string[];
  /** --reload-include and --reload-exclude. */
  readonly files: FilePatterns;
  /** Whether files of pages are watched as well. */
  readonly developing: boolean;
}

type State = "starting" | "idle" | "settling" | "loading" | "closed";

export class Development implements Reloader {
  readonly #options: DevelopmentOptions;
  readonly #watch: FolderWatch;
  #state: State = "starting";
  #timer: NodeJS.Timeout | null = null;
  /** When the first change of the current series came (performance.now()). */
  #changedAt = 0;
  readonly #changed = new Set<string>();
  /** Counts changes: a load that began before the last change is outdated. */
  #changes = 0;
  #pageTimer: NodeJS.Timeout | null = null;
  #pageChange: "page" | "styles" = "styles";
  /** Resolved with the next outcome. */
  #settle: PromiseWithResolvers<ReloadOutcome> | null = null;

  constructor(options: DevelopmentOptions) {
    this.#options = options;
    this.#watch = new FolderWatch(
      (path) => this.onChange(path),
      (folder, code) => this.#onWatchFailure(folder, code),
      (path) => this.#isCode(path) || (options.developing && this.#isPage(path)),
    );
  }

  #isCode(path: string): boolean {
    const { files, folders } = this.#options;
    if (fitsPattern(path, folders, files.include)) return true;
    return isCodeFile(basename(path)) && !fitsPattern(path, folders, files.exclude);
  }

  #isPage(path: string): boolean {
    const { files, folders } = this.#options;
    return isPageFile(path) && !fitsPattern(path, folders, files.exclude);
  }

  /** Begins to watch; changes before `begin` cause a load then. */
  async watch(): Promise<void> {
    await this.#watch.start(this.#options.folders);
  }

  /** The server has started: it serves, or shows why its code does not load. */
  begin(): void {
    this.#state = "idle";
    if (this.#changes > 0) this.#scheduleLoad();
  }

  async request(_reason: string): Promise<ReloadOutcome> {
    if (this.#state === "closed") return { kind: "stopped" };
    this.#settle ??= Promise.withResolvers();
    const { promise } = this.#settle;
    this.#scheduleLoad();
    return await promise;
  }

  onChange(path: string): void {
    if (this.#options.developing && !this.#isCode(path) && this.#isPage(path)) {
      this.#schedulePages(path);
      return;
    }
    if (this.#changed.size < MAX_CHANGED) this.#changed.add(path);
    this.#scheduleLoad();
  }

  #onWatchFailure(folder: string, code: string): void {
    const { log } = this.#options;
    const remedy = REMEDIES.get(code) ?? "";
    log.warning(
      "watch.failed",
      `changes in ${folder} and perhaps others go unseen; ${remedy}name fewer folders with --reload-dir`,
      { folder, code },
    );
  }

  close(): void {
    const isHolding = this.#state === "settling" || this.#state === "loading";
    this.#state = "closed";
    this.#watch.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#pageTimer !== null) clearTimeout(this.#pageTimer);
    this.#settle?.resolve({ kind: "stopped" });
    // Waiting requests get their responses before the server ends.
    if (isHolding) this.#options.server.resume();
  }

  #schedulePages(path: string): void {
    if (this.#state === "closed") return;
    if (this.#pageTimer === null) {
      this.#pageChange = "styles";
      this.#pageTimer = setTimeout(() => void this.#refreshPages(), PAGE_SETTLING_MS);
    }
    if (!path.endsWith(".css")) this.#pageChange = "page";
  }

  // Never rejects. What was saved during a load, the load may have missed.
  async #refreshPages(): Promise<void> {
    this.#pageTimer = null;
    if (this.#state === "closed") return;
    if (this.#state !== "idle") {
      this.#pageTimer = setTimeout(() => void this.#refreshPages(), PAGE_SETTLING_MS);
      return;
    }
    const { server, log } = this.#options;
    await server.refresh(this.#pageChange).catch((error: unknown) => {
      log.error("server.reload-failed", `pages do not reload: ${String(error)}`, { ms: 0 });
    });
  }

  // A load begins when the files have been quiet for QUIET_MS; a load that runs is outdated.
  #scheduleLoad(): void {
    this.#changes += 1;
    if (this.#state === "starting" || this.#state === "closed") return;
    const now = performance.now();
    if (this.#state !== "settling") this.#changedAt = now;
    this.#state = "settling";
    this.#options.server.hold();
    if (this.#timer !== null) clearTimeout(this.#timer);
    const rest = this.#changedAt + MAX_SETTLING_MS - now;
    this.#timer = setTimeout(() => void this.#load(), Math.max(0, Math.min(QUIET_MS, rest)));
  }

  // Never rejects: a load that rejects counts as a failed load.
  async #load(): Promise<void> {
    const { server, log } = this.#options;
    this.#state = "loading";
    this.#timer = null;
    const changes = this.#changes;
    const files = [...this.#changed];
    await dropBytecode(files);
    if (this.#isOutdated(changes)) return;
    const failure = await server.reload().catch(asFailure);
    if (this.#isOutdated(changes)) return;
    this.#state = "idle";
    this.#changed.clear();
    const outcome = outcomeOf(failure, this.#changedAt);
    logOutcome(log, outcome, this.#nameFiles(files));
    server.resume();
    this.#settle?.resolve(outcome);
    this.#settle = null;
  }

  #nameFiles([first, ...others]: readonly string[]): string | undefined {
    if (first === undefined) return undefined;
    const folder = this.#options.folders.find((one) => first.startsWith(one));
    const name = folder === undefined ? first : relative(folder, first);
    return others.length === 0 ? name : `${name} and ${others.length} more`;
  }

  #isOutdated(changes: number): boolean {
    return this.#state === "closed" || changes !== this.#changes;
  }
}
