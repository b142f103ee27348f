// A launcher and the private directory in which front, launcher and workers meet. What the workers
// share outlives it (shared-files.ts): when a launcher dies, the next station inherits that. Opens and
// closes; decides nothing.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

import { SharedFiles } from "./shared-files.ts";
import {
  Launcher,
  type ApplicationOptions,
  type LauncherListener,
  type Opened,
  type WorkerEnd,
} from "./launcher.ts";

export interface StationOptions {
  /** Where the private directory is made: a tmpfs, so that a note's read never waits for a disk. */
  readonly runFolder: string;
  readonly python: string;
  readonly packageFolder: string;
  readonly application: ApplicationOptions;
}

export interface StationListener {
  /** Workers can be started. `shared`: those that were inherited, else new ones. */
  onOpened(opened: Opened, shared: SharedFiles): void;
  onStarted(worker: number, pid: number): void;
  onEnded(end: WorkerEnd): void;
  /** The launcher is gone; what it said last. Its workers may live. */
  onStationEnd(text: string): void;
  onLauncherLine(line: string): void;
}

export class Station implements LauncherListener {
  readonly directory: string;
  readonly #listener: StationListener;
  readonly #inherited: SharedFiles | null;
  readonly #launcher: Launcher;

  constructor(options: StationOptions, inherited: SharedFiles | null, listener: StationListener) {
    this.#listener = listener;
    this.#inherited = inherited;
    this.directory = mkdtempSync(join(options.runFolder, "typhon-"));
    this.#launcher = new Launcher({ ...options, directory: this.directory, inherited }, this);
  }

  startWorker(worker: number): void {
    this.#launcher.start(worker);
  }

  signalWorker(worker: number, signal: number): void {
    this.#launcher.signal(worker, signal);
  }

  notify(text: string): void {
    this.#launcher.notify(text);
  }

  /** Ends the launcher and all of its workers. `onStationEnd` follows. */
  stop(): void {
    this.#launcher.stop();
  }

  onOpened(opened: Opened): void {
    this.#listener.onOpened(opened, this.#inherited ?? new SharedFiles(this.directory));
  }

  onStarted(worker: number, pid: number): void {
    this.#listener.onStarted(worker, pid);
  }

  onEnded(end: WorkerEnd): void {
    this.#listener.onEnded(end);
  }

  onLauncherLine(line: string): void {
    this.#listener.onLauncherLine(line);
  }

  onLauncherEnd(text: string): void {
    rmSync(this.directory, { recursive: true, force: true });
    this.#listener.onStationEnd(text);
  }
}
