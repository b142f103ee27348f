// The Python process that forks the workers. The launcher makes the queue, forks workers on request and reports
// their ends (docs/worker-protocol.md, "Launcher"). Knows nothing of requests.

import { PythonProcess, type Message } from "../processes/python-process.ts";
import type { HookCall } from "./hook-runs.ts";
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
    /** Whether a template loads the application once for all workers of a generation. */
    readonly preload: boolean;
    /** Requests that a worker runs at once under ASGI. */
    readonly concurrency: number;
    readonly appDir: string;
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    /** Whether exceptions become pages, and whether those show local variables. */
    readonly development: "off" | "page" | "locals";
    readonly rootPath: string;
    /** Paths that a worker requests from itself before it is ready. */
    readonly warmup: readonly string[];
    /** A file for `logging`, and a gunicorn.conf.py, absolute, "" = none; the hooks that the second one has. */
    readonly logConfig: string;
    readonly gunicornConf: string;
    readonly gunicornHooks: readonly string[];
    readonly threads: number;
    readonly workers: number;
    /** Whether the operator has chosen `workers`. */
    readonly areWorkersChosen: boolean;
    /** SERVER_SOFTWARE. */
    readonly software: string;
  };
}

/** How the process of a template ended; null: code or signal does not apply. */
export interface TemplateEnd {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: number | null;
}

export interface LauncherListener {
  /**
   * The launcher is ready to start workers. `pipePages`: pages that fit into the queue. `python`: such as
   * "CPython 3.11.7". `shared`: the inherited files, else new ones.
   */
  onOpened(pipePages: number, python: string, shared: SharedFiles): void;
  /**
   * A process loads the application for this worker, and its files exist (`openWorker`). Told again with another
   * process when the first one was a template, which has forked the worker.
   */
  onStarted(worker: number, pid: number): void;
  /** No process of this worker could be started; `text` says why. */
  onNotStarted(worker: number, text: string): void;
  /** A worker's process has ended. */
  onEnded(end: WorkerEnd): void;
  /** A template has ended though its workers, or the generation, go on. */
  onTemplateEnd(end: TemplateEnd): void;
  /** A call of the application's functions has ended (`startHook`). `text`: what it has printed, or why it failed. */
  onHookEnded(id: number, isDone: boolean, text: string): void;
  /** The launcher has ended, on request or not; its workers may still run. `text`: the reason, if known. */
  onLauncherEnd(text: string): void;
  /** A line of the launcher's own output. */
  onLauncherLine(line: string): void;
}

/** The key of the shared files' run directory: workers count from 1. */
const SHARED = 0;
/** Room in the folder of run directories beside the notes of threads: a part of the notes, and the cancels. */
const MIN_ROOM_BYTES = 524_288;
/** A kill is repeated every second: a launcher that has not read two of them does not answer. */
const MAX_UNHEARD_KILLS = 2;
const SIGKILL = 9;
/** Pages requested for the queue: 1 MiB, the kernel's default limit for a user. */
const PIPE_PAGES = 256;

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
  /** How often each worker was to be killed since the launcher has answered. */
  readonly #unheard = new Map<number, number>();
  readonly #inherited: SharedFiles | null;
  readonly #process: PythonProcess;

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
    try {
      this.#process = new PythonProcess(
        {
          python: options.python,
          packageFolder: options.packageFolder,
          entry: "typhon_worker",
          passed,
        },
        {
          onMessage: (message) => this.#read(message),
          onLine: (line) => listener.onLauncherLine(line),
          onEnd: (text) => this.#end(text),
        },
      );
    } catch (error) {
      this.#removeDirectory(SHARED);
      throw error;
    }
    const {
      appDir,
      rootPath,
      abandonTimeoutMs,
      cancelOnDisconnect,
      logConfig,
      gunicornConf,
      gunicornHooks,
      cwd: _,
      areWorkersChosen,
      ...sameNames
    } = options.application;
    this.#process.say({
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
        log_config: logConfig,
        gunicorn_conf: gunicornConf,
        gunicorn_hooks: gunicornHooks,
      },
    });
  }

  /**
   * Forks worker `worker`, which runs the application in `place`. With `preload` the generation's template forks it,
   * and loads the application before if it is the first. Throws if no run directory can be made.
   */
  start(worker: number, generation: number, { appDir, ...sameNames }: Place): void {
    const directory = this.#makeDirectory(worker).path;
    this.#process.say({
      op: "start",
      worker,
      generation,
      directory,
      app_dir: appDir,
      ...sameNames,
    });
  }

  /** Ends the template of a generation once it has no worker. */
  retire(generation: number): void {
    this.#process.say({ op: "retire", generation });
  }

  /** Forks a process that calls functions of the application; `onHookEnded` follows. */
  startHook(id: number, { place: { appDir, ...sameNames }, ...call }: HookCall): void {
    this.#process.say({ op: "hook", hook: id, ...call, app_dir: appDir, ...sameNames });
  }

  /** Kills the process of a call. */
  endHook(id: number): void {
    this.#process.say({ op: "end-hook", hook: id });
  }

  /** Opens the files of a worker that was forked. Throws the system's error. */
  openWorker(worker: number, pid: number, listener: WorkerProcessListener): WorkerPort {
    const signal = (number: number): void => this.signal(worker, number);
    return this.#openIn(worker, (directory) => new WorkerProcess(pid, directory, signal, listener));
  }

  /** Sends a signal by number; does nothing if the worker has ended. A launcher that does not answer is killed. */
  signal(worker: number, signal: number): void {
    if (signal === SIGKILL) {
      const kills = (this.#unheard.get(worker) ?? 0) + 1;
      this.#unheard.set(worker, kills);
      if (kills > MAX_UNHEARD_KILLS) this.#process.kill("it did not answer, and was killed");
    }
    this.#process.say({ op: "signal", worker, signal });
  }

  /** Sends a text to the service manager (sd_notify(3)); Node cannot send datagrams to Unix sockets. */
  notify(text: string): void {
    this.#process.say({ op: "notify", text });
  }

  /** Ends the launcher and all its running workers. `onLauncherEnd` follows. */
  stop(): void {
    this.#process.stop();
  }

  #read(message: Message): void {
    const worker = message.number("worker");
    switch (message.text("op")) {
      case "opened":
        return this.#onOpened(
          message.number("pipe_pages"),
          `${message.text("implementation")} ${message.text("python")}`,
        );
      case "started":
        return this.#listener.onStarted(worker, message.number("pid"));
      case "template-ended":
        return this.#listener.onTemplateEnd({
          pid: message.number("pid"),
          code: message.nullable("code"),
          signal: message.nullable("signal"),
        });
      case "not-started":
        this.#removeDirectory(worker);
        return this.#listener.onNotStarted(worker, message.text("text"));
      case "signalled":
        this.#unheard.delete(worker);
        return;
      case "ended":
        this.#unheard.delete(worker);
        this.#removeDirectory(worker);
        return this.#listener.onEnded({
          worker,
          code: message.nullable("code"),
          signal: message.nullable("signal"),
          peakRss: message.number("peak_rss"),
        });
      case "hook-ended":
        return this.#listener.onHookEnded(
          message.number("hook"),
          message.nullable("code") === 0,
          message.text("text"),
        );
      default:
        // "fault": the launcher cannot go on, and exits.
        this.#process.explainEnd(message.text("text"));
    }
  }

  #onOpened(pipePages: number, python: string): void {
    let shared = this.#inherited;
    try {
      shared ??= this.#openIn(SHARED, (directory) => new SharedFiles(directory));
    } catch (error) {
      this.#process.explainEnd(`its files could not be opened: ${String(error)}`);
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

  #end(text: string): void {
    for (const directory of this.#directories.values()) directory.remove();
    this.#listener.onLauncherEnd(text);
  }
}
