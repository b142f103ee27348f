// The Python process that starts the others: made by posix_spawn once, because spawning from Node
// blocks the event loop in proportion to its memory (1.5 ms at 52 MB). It makes the queue, forks
// workers on request and reports their ends. JSON lines over its descriptor 3
// (docs/worker-protocol.md, "Launcher"). Knows nothing of requests.

import { spawn, type ChildProcess } from "node:child_process";
import { Socket } from "node:net";

import type { SharedFiles } from "./shared-files.ts";
import { cutLines, LineCutter } from "./output.ts";

/** What the launcher needs to know of an application; goes to the workers as it is. */
export interface ApplicationOptions {
  readonly app: string;
  readonly interface: "auto" | "wsgi" | "asgi";
  readonly loop: "auto" | "asyncio" | "uvloop";
  readonly lifespan: "auto" | "on" | "off";
  /** Requests that a worker runs at once under ASGI. */
  readonly concurrency: number;
  readonly appDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly rootPath: string;
  /** Paths that a worker asks itself for before it is ready. */
  readonly warmup: readonly string[];
  readonly threads: number;
  readonly workers: number;
  /** SERVER_SOFTWARE. */
  readonly software: string;
}

export interface LauncherOptions {
  readonly python: string;
  /** The folder that holds the package typhon_worker. */
  readonly packageFolder: string;
  /** The private directory (docs/worker-protocol.md, "The directory"). */
  readonly directory: string;
  readonly application: ApplicationOptions;
  /** What an earlier launcher has made and workers still use; null: it is made anew. */
  readonly inherited: SharedFiles | null;
}

/** What the launcher says once the FIFOs are there. */
export interface Opened {
  readonly pipePages: number;
  readonly python: string;
  readonly implementation: string;
  readonly executable: string;
}

export interface WorkerEnd {
  readonly worker: number;
  readonly code: number | null;
  readonly signal: number | null;
  /** Bytes. */
  readonly peakRss: number;
}

export interface LauncherListener {
  onOpened(opened: Opened): void;
  onStarted(worker: number, pid: number): void;
  onEnded(end: WorkerEnd): void;
  /** The launcher is gone, with what it said last; asked for or not. */
  onLauncherEnd(text: string): void;
  /** A line that the launcher itself wrote. */
  onLauncherLine(line: string): void;
}

/** The launcher's control; what it inherits comes behind it. */
const CONTROL_FD = 3;
/** Pages asked for the queue: 1 MiB, what the kernel lets a user have by default. */
const PIPE_PAGES = 256;
/** Characters of a control message; a launcher that says more has lost its mind. */
const MAX_CONTROL_LINE = 1_048_576;
/** The last bytes of standard error that are kept to tell why a launcher ended. */
const MAX_LAST_WORDS = 4096;

// `-c` puts the working directory first on sys.path; the worker's own package is imported from its
// folder, which is then taken off again, so that no module of ours or of the working directory can
// shadow one that the application means.
const BOOT =
  "import sys; sys.version_info >= (3, 10) or " +
  "sys.exit('Typhon needs Python 3.10 or newer, this is %d.%d' % sys.version_info[:2]); " +
  "sys.path[:1] = [sys.argv[1]] if sys.path[:1] == [''] else [sys.argv[1], *sys.path[:1]]; " +
  "from typhon_worker import main; sys.path.remove(sys.argv[1]); main.main()";

/** The running launcher of one application. */
export class Launcher {
  readonly #listener: LauncherListener;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  #lastWords = "";
  #hasEnded = false;

  constructor(options: LauncherOptions, listener: LauncherListener) {
    this.#listener = listener;
    const { inherited } = options;
    const passed =
      inherited === null ? [] : [inherited.queue, inherited.lifeline, inherited.cancels];
    const highest = String(CONTROL_FD + passed.length);
    this.#child = spawn(options.python, ["-c", BOOT, options.packageFolder, highest], {
      stdio: ["ignore", "pipe", "pipe", "pipe", ...passed],
    });
    this.#child.on("error", (error) => this.#end(error.message));
    this.#child.on("close", () => this.#end(this.#lastWords.trim()));
    const control = this.#child.stdio.at(CONTROL_FD);
    if (!(control instanceof Socket)) throw new TypeError("the control channel is no socket");
    this.#control = control;
    // A write to a launcher that has just died; "close" tells the rest.
    control.on("error", () => undefined);
    cutLines(control, new LineCutter((line) => this.#read(line), MAX_CONTROL_LINE));
    this.#child.stdout?.on("data", (bytes: Buffer) => this.#hear(bytes));
    this.#child.stderr?.on("data", (bytes: Buffer) => this.#hear(bytes));
    const { application } = options;
    this.#say({
      op: "open",
      directory: options.directory,
      pipe_pages: PIPE_PAGES,
      application: {
        app: application.app,
        interface: application.interface,
        loop: application.loop,
        lifespan: application.lifespan,
        concurrency: application.concurrency,
        app_dir: application.appDir,
        env: application.env,
        root_path: application.rootPath,
        warmup: application.warmup,
        threads: application.threads,
        workers: application.workers,
        software: application.software,
      },
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Forks worker `worker`. */
  start(worker: number): void {
    this.#say({ op: "start", worker });
  }

  /** Sends a signal by number; nothing happens if that worker has ended. */
  signal(worker: number, signal: number): void {
    this.#say({ op: "signal", worker, signal });
  }

  /** Sends a text to the service manager (sd_notify(3)): Node knows no datagrams of Unix sockets. */
  notify(text: string): void {
    this.#say({ op: "notify", text });
  }

  /** Ends it, and with it every worker that still runs, and the directory. */
  stop(): void {
    this.#control.end();
  }

  #say(message: object): void {
    if (!this.#control.destroyed) this.#control.write(`${JSON.stringify(message)}\n`);
  }

  #read(line: string): void {
    const message: unknown = JSON.parse(line);
    if (typeof message !== "object" || message === null || !("op" in message)) return;
    const fields = new Map<string, unknown>(Object.entries(message));
    const number = (name: string): number => Number(fields.get(name) ?? 0);
    const nullable = (name: string): number | null =>
      typeof fields.get(name) === "number" ? number(name) : null;
    const text = (name: string): string => {
      const value = fields.get(name);
      return typeof value === "string" ? value : "";
    };
    switch (message.op) {
      case "opened":
        return this.#listener.onOpened({
          pipePages: number("pipe_pages"),
          python: text("python"),
          implementation: text("implementation"),
          executable: text("executable"),
        });
      case "started":
        return this.#listener.onStarted(number("worker"), number("pid"));
      case "ended":
        return this.#listener.onEnded({
          worker: number("worker"),
          code: nullable("code"),
          signal: nullable("signal"),
          peakRss: number("peak_rss"),
        });
      default:
        this.#lastWords = text("text");
    }
  }

  #hear(bytes: Buffer): void {
    const text = bytes.toString("utf8");
    this.#lastWords = (this.#lastWords + text).slice(-MAX_LAST_WORDS);
    for (const line of text.split("\n")) if (line !== "") this.#listener.onLauncherLine(line);
  }

  #end(text: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#control.destroy();
    this.#listener.onLauncherEnd(text);
  }
}
