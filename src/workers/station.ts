// What the processes of one application share, for as long as one launcher lives: the private
// directory, the launcher, the queue's pipe and the lifeline. A new launcher means a new
// station. Opens and closes; decides nothing.

import { closeSync, constants, mkdtempSync, openSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";

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
  /** The pipe is there, at `queuePath`; it is unlinked after the call. */
  onOpened(opened: Opened, queuePath: string): void;
  onStarted(worker: number, pid: number): void;
  onEnded(end: WorkerEnd): void;
  onStationEnd(text: string): void;
  onLauncherLine(line: string): void;
}

export class Station implements LauncherListener {
  readonly directory: string;
  readonly #listener: StationListener;
  readonly #launcher: Launcher;
  #lifeline = -1;

  constructor(options: StationOptions, listener: StationListener) {
    this.#listener = listener;
    this.directory = mkdtempSync(join(options.runFolder, "typhon-"));
    this.#launcher = new Launcher({ ...options, directory: this.directory }, this);
  }

  get launcherPid(): number {
    return this.#launcher.pid;
  }

  startWorker(worker: number): void {
    this.#launcher.start(worker);
  }

  signalWorker(worker: number, signal: number): void {
    this.#launcher.signal(worker, signal);
  }

  /** Ends the launcher and all of its workers. `onStationEnd` follows. */
  stop(): void {
    this.#launcher.stop();
  }

  onOpened(opened: Opened): void {
    const lifeline = join(this.directory, "lifeline");
    this.#lifeline = openSync(lifeline, constants.O_WRONLY | constants.O_NONBLOCK);
    unlinkSync(lifeline);
    const queue = join(this.directory, "queue");
    this.#listener.onOpened(opened, queue);
    unlinkSync(queue);
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
    // Workers that outlived their launcher hang on the lifeline.
    if (this.#lifeline >= 0) closeSync(this.#lifeline);
    this.#lifeline = -1;
    rmSync(this.directory, { recursive: true, force: true });
    this.#listener.onStationEnd(text);
  }
}
