// The Python process that forks the workers. It is spawned once, because spawning from Node blocks the event
// loop in proportion to its memory (1.5 ms at 52 MB). The launcher makes the queue, forks workers on request
// and reports their ends, in JSON lines over its descriptor 3 (docs/worker-protocol.md, "Launcher"). Knows
// nothing of requests.

import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { Socket } from "node:net";

import { eachLine, gatherLines } from "./output.ts";
import { SLOT_BYTES } from "./page.ts";
import type { Place } from "./place.ts";
import { RunDirectory, SharedFiles } from "./run-directory.ts";
import type { WorkerEnd } from "./worker.ts";
import { WorkerProcess, type WorkerPort, type WorkerProcessListener } from "./worker-process.ts";

export interface LauncherOptions {
  /** Folders in which run directories are made: the first that takes one. */
  readonly runFolders: readonly string[];
  readonly python: string;
  /** The folder that holds the package typhon_worker. */
  readonly packageFolder: string;
  /** Passed on to the workers. */
  readonly application: {
    readonly app: string;
    readonly interface: "auto" | "wsgi" | "asgi";
    readonly loop: "auto" | "asyncio" | "uvloop";
    readonly lifespan: "auto" | "on" | "off";
    /** Whether http.response.pathsend is offered (ASGI). */
    readonly pathsend: boolean;
    /** For a handler whose client has left, 0 = no limit; and whether it is cancelled at once (ASGI). */
    readonly abandonTimeoutMs: number;
    readonly cancelOnDisconnect: boolean;
    /** Requests that a worker runs at once under ASGI. */
    readonly concurrency: number;
    readonly appDir: string;
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly rootPath: string;
    /** Paths that a worker requests from itself before it is ready. */
    readonly warmup: readonly string[];
    readonly threads: number;
    readonly workers: number;
    /** Whether the operator has chosen `workers`. */
    readonly areWorkersChosen: boolean;
    /** SERVER_SOFTWARE. */
    readonly software: string;
  };
}

export interface LauncherListener {
  /**
   * The launcher is ready to start workers. `pipePages`: pages that fit into the queue. `python`: such as
   * "CPython 3.11.7". `shared`: the inherited files, else new ones.
   */
  onOpened(pipePages: number, python: string, shared: SharedFiles): void;
  /** A worker was forked, and its files exist (`openWorker`). */
  onStarted(worker: number, pid: number): void;
  /** No process of this worker could be started; `text` says why. */
  onNotStarted(worker: number, text: string): void;
  /** A worker's process has ended. */
  onEnded(end: WorkerEnd): void;
  /** The launcher has ended, on request or not; its workers may still run. `text`: the reason, if known. */
  onLauncherEnd(text: string): void;
  /** A line of the launcher's own output. */
  onLauncherLine(line: string): void;
}

/** The launcher's control socket; inherited descriptors follow it. */
const CONTROL_FD = 3;
/** Descriptors that spawn() needs for a moment: two for each pipe, and two to hear whether exec() has succeeded. */
const SPAWN_DESCRIPTORS = 8;
/** Close-on-exec in the flags of proc_pid_fdinfo(5). */
const O_CLOEXEC = 0o2000000;
/** The key of the shared files' run directory: workers count from 1. */
const SHARED = 0;
/** Room in the folder of run directories beside the notes of threads: a part of the notes, and the cancels. */
const MIN_ROOM_BYTES = 524_288;
/** Pages requested for the queue: 1 MiB, the kernel's default limit for a user. */
const PIPE_PAGES = 256;
/** Characters of a line on control that is told because it is no message. */
const MAX_QUOTED = 200;
/** Characters of the launcher's output that are kept, because they tell why it ended. */
const STDERR_TAIL = 4096;

// `-c` puts the working directory first on sys.path. The worker's own package is imported from its folder,
// which is then removed from sys.path, so that no module of Typhon or of the working directory can shadow a
// module of the application.
const BOOT =
  "import sys; sys.version_info >= (3, 10) or " +
  "sys.exit('Typhon needs Python 3.10 or newer, this is %d.%d' % sys.version_info[:2]); " +
  "sys.path[:1] = [sys.argv[1]] if sys.path[:1] == [''] else [sys.argv[1], *sys.path[:1]]; " +
  "from typhon_worker import main; sys.path.remove(sys.argv[1]); main.main()";

/**
 * Descriptors that our own parent process left open, and that a program which we start would inherit. Node marks
 * its own, and the first ones of the others, so that they are closed. Read once, while there are few.
 */
const PASSED_ON = findInheritable();

/** The interface of a launcher; tests use an object without processes. */
export type LauncherPort = Pick<Launcher, keyof Launcher>;

/** The launcher of one application, while it runs. */
export class Launcher {
  readonly #listener: LauncherListener;
  readonly #runFolders: readonly string[];
  /** Room for the files of one start: the cancels and a part of the notes, or the notes of all threads. */
  readonly #roomBytes: number;
  /** Run directories whose files the front has not opened, by worker number; 0: that of the shared files. */
  readonly #directories = new Map<number, RunDirectory>();
  readonly #inherited: SharedFiles | null;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  #stderrTail = "";
  #hasEnded = false;

  /**
   * `inherited`: the files of an earlier launcher whose workers still use them; null: make new files. Throws
   * if no run directory can be made, or no process can be spawned.
   */
  constructor(options: LauncherOptions, inherited: SharedFiles | null, listener: LauncherListener) {
    this.#listener = listener;
    this.#inherited = inherited;
    this.#runFolders = options.runFolders;
    this.#roomBytes = MIN_ROOM_BYTES + options.application.threads * SLOT_BYTES;
    const directory = inherited === null ? this.#makeDirectory(SHARED).path : "";
    const passed =
      inherited === null ? [] : [inherited.queue, inherited.lifeline, inherited.cancels];
    const highest = CONTROL_FD + passed.length;
    const passedOn = PASSED_ON.filter((fd) => fd > highest).join();
    const args = ["-c", BOOT, options.packageFolder, String(highest), passedOn];
    try {
      requireDescriptors();
      this.#child = spawn(options.python, args, {
        stdio: ["ignore", "pipe", "pipe", "pipe", ...passed],
      });
      this.#child.on("error", (error) => this.#end(error.message));
      this.#child.on("close", () => this.#end(this.#stderrTail.trim()));
      this.#control = controlOf(this.#child);
    } catch (error) {
      // The caller knows by this error; the child's "error" event adds nothing.
      this.#hasEnded = true;
      this.#removeDirectory(SHARED);
      throw error;
    }
    const control = this.#control;
    // A write to a launcher that has just died fails; the child's "close" follows.
    control.on("error", () => undefined);
    gatherLines(control, (lines) => {
      eachLine(lines, (line) => this.#read(line));
      return true;
    });
    this.#child.stdout?.on("data", (bytes: Buffer) => this.#readOutput(bytes));
    this.#child.stderr?.on("data", (bytes: Buffer) => this.#readOutput(bytes));
    const {
      appDir,
      rootPath,
      abandonTimeoutMs,
      cancelOnDisconnect,
      cwd: _,
      areWorkersChosen,
      ...sameNames
    } = options.application;
    this.#say({
      op: "open",
      directory,
      pipe_pages: PIPE_PAGES,
      application: {
        ...sameNames,
        app_dir: appDir,
        root_path: rootPath,
        abandon_timeout: abandonTimeoutMs / 1000,
        cancel_on_disconnect: cancelOnDisconnect,
        workers_chosen: areWorkersChosen,
      },
    });
  }

  /** Forks worker `worker`, which runs the application in `place`. Throws if no run directory can be made. */
  start(worker: number, { appDir, ...sameNames }: Place): void {
    const directory = this.#makeDirectory(worker).path;
    this.#say({ op: "start", worker, directory, app_dir: appDir, ...sameNames });
  }

  /** Opens the files of a worker that was forked. Throws the system's error. */
  openWorker(worker: number, pid: number, listener: WorkerProcessListener): WorkerPort {
    const signal = (number: number): void => this.signal(worker, number);
    return this.#openIn(worker, (directory) => new WorkerProcess(pid, directory, signal, listener));
  }

  /** Sends a signal by number; does nothing if the worker has ended. */
  signal(worker: number, signal: number): void {
    this.#say({ op: "signal", worker, signal });
  }

  /** Sends a text to the service manager (sd_notify(3)); Node cannot send datagrams to Unix sockets. */
  notify(text: string): void {
    this.#say({ op: "notify", text });
  }

  /** Ends the launcher and all its running workers. `onLauncherEnd` follows. */
  stop(): void {
    this.#control.end();
  }

  #say(message: object): void {
    if (!this.#control.destroyed) this.#control.write(`${JSON.stringify(message)}\n`);
  }

  #read(line: string): void {
    const message = parse(line);
    if (message === null) {
      // A start-up hook has written into control, or the launcher is broken. Its workers go on.
      this.#stderrTail = `control carried no message: ${line.slice(0, MAX_QUOTED)}`;
      this.#child.kill("SIGKILL");
      return;
    }
    const fields = new Map<string, unknown>(Object.entries(message));
    const number = (name: string): number => Number(fields.get(name) ?? 0);
    const nullable = (name: string): number | null =>
      typeof fields.get(name) === "number" ? number(name) : null;
    const text = (name: string): string => {
      const value = fields.get(name);
      return typeof value === "string" ? value : "";
    };
    const worker = number("worker");
    switch (message.op) {
      case "opened":
        return this.#onOpened(number("pipe_pages"), `${text("implementation")} ${text("python")}`);
      case "started":
        return this.#listener.onStarted(worker, number("pid"));
      case "not-started":
        this.#removeDirectory(worker);
        return this.#listener.onNotStarted(worker, text("text"));
      case "ended":
        this.#removeDirectory(worker);
        return this.#listener.onEnded({
          worker,
          code: nullable("code"),
          signal: nullable("signal"),
          peakRss: number("peak_rss"),
        });
      default:
        // "fault": the launcher cannot go on, and exits.
        this.#stderrTail = text("text");
    }
  }

  #onOpened(pipePages: number, python: string): void {
    let shared = this.#inherited;
    try {
      shared ??= this.#openIn(SHARED, (directory) => new SharedFiles(directory));
    } catch (error) {
      this.#stderrTail = `its files could not be opened: ${String(error)}`;
      this.stop();
      return;
    }
    this.#listener.onOpened(pipePages, python, shared);
  }

  #makeDirectory(key: number): RunDirectory {
    const directory = new RunDirectory(this.#runFolders, this.#roomBytes);
    this.#directories.set(key, directory);
    return directory;
  }

  // When the directory is gone, the launcher closes its own descriptors of the files.
  #openIn<T>(key: number, open: (directory: RunDirectory) => T): T {
    const directory = this.#directories.get(key);
    if (directory === undefined) throw new Error("no run directory was made");
    try {
      return open(directory);
    } finally {
      this.#removeDirectory(key);
    }
  }

  #removeDirectory(key: number): void {
    this.#directories.get(key)?.remove();
    this.#directories.delete(key);
  }

  #readOutput(bytes: Buffer): void {
    const text = bytes.toString("utf8");
    this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL);
    for (const line of text.split("\n")) if (line !== "") this.#listener.onLauncherLine(line);
  }

  #end(text: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#control.destroy();
    for (const directory of this.#directories.values()) directory.remove();
    this.#listener.onLauncherEnd(text);
  }
}

/** A message of the launcher; null: the line is none. */
function parse(line: string): { readonly op: unknown } | null {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === "object" && message !== null && "op" in message ? message : null;
  } catch {
    return null;
  }
}

// A spawn() that runs out of descriptors never closes the pipes that it has made (Node 24). Throws EMFILE.
function requireDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < SPAWN_DESCRIPTORS) opened.push(openSync("/dev/null", "r"));
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

// A child without any pipe: other threads took the descriptors; its "error" event comes later.
function controlOf({ stdio }: { readonly stdio?: ChildProcess["stdio"] }): Socket {
  const control = stdio?.at(CONTROL_FD);
  if (control instanceof Socket) return control;
  throw new Error("Python cannot be started: the process may open no further file");
}

function findInheritable(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => fd > CONTROL_FD && isInheritable(fd));
}

function isInheritable(fd: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"));
    return (Number.parseInt(flags?.[1] ?? "", 8) & O_CLOEXEC) === 0;
  } catch {
    // The descriptor by which the folder was read.
    return false;
  }
}
