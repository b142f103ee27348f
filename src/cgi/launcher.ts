// The Python process that starts the CGI programs of a server (docs/worker-protocol.md, "CGI launcher"). It is started
// when the first program is, or before. When it ends unasked, the programs that run are killed, and the next run
// starts it anew, after a pause if it has ended soon before.

import type { FileCount } from "../net/file-tree.ts";
import { Backoff } from "../processes/backoff.ts";
import { PythonProcess, type Message } from "../processes/python-process.ts";
import type {
  ProgramInput,
  ProgramListener,
  ProgramRequest,
  ProgramRunner,
  RunningProgram,
} from "./program.ts";
import { environmentBytes, MAX_ENVIRONMENT_BYTES } from "./variables.ts";
import { ProgramRun, type RunPort } from "./program-run.ts";

/** At a stop programs get SIGTERM, and 3 s later SIGKILL; a launcher that has not ended then is killed. */
const STOP_TIMEOUT_MS = 6000;
/** For a launcher to take runs: a Python with slow start-up hooks takes seconds. */
const OPEN_TIMEOUT_MS = 60_000;

export interface CgiLauncherOptions {
  readonly python: string;
  /** The folder that holds the package typhon_worker. */
  readonly packageFolder: string;
  /** An idle template ends after this time. */
  readonly templateIdleMs: number;
  /** The table of what clients have open. */
  readonly count: FileCount;
}

export interface CgiLauncherListener {
  /** A line of the launcher's own output. */
  onLauncherLine(line: string): void;
  /** The launcher has ended unasked. `text`: the reason, if known. */
  onLauncherEnd(text: string): void;
  /** A program runs cold though it is one in Python; told once for each. */
  onCold(program: string, reason: string): void;
}

export class CgiLauncher implements ProgramRunner {
  readonly #options: CgiLauncherOptions;
  readonly #listener: CgiLauncherListener;
  readonly #backoff = new Backoff();
  readonly #runs = new Map<number, ProgramRun>();
  readonly #port: RunPort;
  /** Never used twice, whatever launcher gets it. */
  #lastId = 0;
  #process: PythonProcess | null = null;
  /** Id of the launcher's process, and time since when it takes runs; 0: not yet. */
  #pid = 0;
  #readyAt = 0;
  #served = 0;
  #isStopped = false;
  #stopping: PromiseWithResolvers<void> | null = null;
  /** Hears that the launcher takes runs (""), or why it has ended. */
  #onOpened: ((failure: string) => void) | null = null;

  constructor(options: CgiLauncherOptions, listener: CgiLauncherListener) {
    this.#options = options;
    this.#listener = listener;
    this.#port = {
      count: options.count,
      say: (op, id) => void this.#process?.say({ op, id }),
      onHang: () => this.#process?.kill("it started no program in time"),
      onOver: (id) => this.#runs.delete(id),
    };
  }

  /** Programs that run, or are being started. */
  get running(): number {
    return this.#runs.size;
  }

  /** Starts the launcher; resolves with "" when it takes runs, or with the reason why it does not. Called once. */
  async open(): Promise<string> {
    const failure = this.start();
    if (failure !== "" || this.#readyAt !== 0) return failure;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#onOpened = resolve;
    const timer = setTimeout(
      () => this.#process?.kill(`it was not ready after ${OPEN_TIMEOUT_MS} ms`),
      OPEN_TIMEOUT_MS,
    );
    const text = await promise;
    clearTimeout(timer);
    this.#onOpened = null;
    return text;
  }

  /** Starts the launcher, so that the first run does not wait for it. Returns why it cannot be started, or "". */
  start(): string {
    if (this.#isStopped) return "the server stops";
    if (this.#process !== null) return "";
    if (!this.#backoff.mayStart(performance.now())) return "the launcher of CGI programs has ended";
    try {
      this.#process = new PythonProcess(
        {
          python: this.#options.python,
          packageFolder: this.#options.packageFolder,
          entry: "typhon_worker.cgi",
          passed: [],
        },
        {
          onMessage: (message) => this.#read(message),
          onLine: (line) => this.#listener.onLauncherLine(line),
          onEnd: (text) => this.#onProcessEnd(text),
        },
      );
    } catch (error) {
      this.#backoff.note(0, 0, performance.now());
      return `the launcher of CGI programs cannot be started: ${String(error)}`;
    }
    this.#process.say({ op: "open", template_idle: this.#options.templateIdleMs / 1000 });
    return "";
  }

  run(request: ProgramRequest, listener: ProgramListener): RunningProgram {
    this.#lastId += 1;
    const id = this.#lastId;
    const run = new ProgramRun(id, this.#port, listener);
    this.#runs.set(id, run);
    const isTooLarge = environmentBytes(request.environment, request.args) > MAX_ENVIRONMENT_BYTES;
    const failure = isTooLarge
      ? `its arguments and environment have more than ${MAX_ENVIRONMENT_BYTES} bytes`
      : this.#submit(id, request);
    // Not in this call: the caller does not have the run yet.
    if (failure !== "") process.nextTick(() => run.abandon(failure, !isTooLarge));
    return run;
  }

  /** Kills all programs that run, with their process groups. */
  killAll(): void {
    for (const run of this.#runs.values()) run.kill();
  }

  /**
   * Ends all programs, the launcher and its templates; resolves when they have ended. No program starts any more.
   * `kills`: programs get no time to end.
   */
  async stop(kills = false): Promise<void> {
    this.#isStopped = true;
    const child = this.#process;
    if (child === null) return;
    this.#stopping ??= Promise.withResolvers();
    child.say({ op: "stop", kill: kills });
    const timer = setTimeout(() => child.kill("it did not stop in time"), STOP_TIMEOUT_MS);
    await this.#stopping.promise;
    clearTimeout(timer);
  }

  #submit(id: number, request: ProgramRequest): string {
    if (!this.#options.count.mayOpen()) return "the server may open no further file";
    const failure = this.start();
    if (failure !== "") return failure;
    const { mayBeWarm, input, ...sameNames } = request;
    const message = { op: "run", id, ...sameNames, input: encode(input), warm: mayBeWarm };
    return this.#process?.say(message) === true ? "" : "the launcher of CGI programs takes no more";
  }

  #read(message: Message): void {
    const id = message.number("id");
    switch (message.text("op")) {
      case "started":
        this.#served += 1;
        return this.#onStarted(id, message);
      case "error":
        return this.#runs.get(id)?.onErrorText(message.text("text"));
      case "ended": {
        const [code, signal] = [message.nullable("code"), message.nullable("signal")];
        return this.#runs.get(id)?.onEnded({ code, signal, failure: "" });
      }
      case "failed":
        return this.#runs
          .get(id)
          ?.onEnded({ code: null, signal: null, failure: message.text("text") });
      case "cold":
        return this.#listener.onCold(message.text("program"), message.text("reason"));
      case "opened":
        this.#pid = message.number("pid");
        this.#readyAt = performance.now();
        return this.#onOpened?.("");
      default:
        // "fault": the launcher cannot go on, and exits.
        this.#process?.explainEnd(message.text("text"));
    }
  }

  #onStarted(id: number, message: Message): void {
    const run = this.#runs.get(id);
    // Given up meanwhile.
    if (run === undefined) {
      this.#port.say("opened", id);
      this.#port.say("kill", id);
      return;
    }
    const path = `/proc/${this.#pid}/fd/${message.number("out")}`;
    run.onStarted(message.number("pid"), path, message.isTrue("warm"));
  }

  #onProcessEnd(text: string): void {
    const now = performance.now();
    const wasReady = this.#readyAt !== 0;
    const livedMs = wasReady ? now - this.#readyAt : 0;
    this.#backoff.note(livedMs, this.#served, now);
    this.#process = null;
    this.#pid = this.#readyAt = this.#served = 0;
    // A listener may begin new runs meanwhile.
    const runs = [...this.#runs.values()];
    for (const run of runs) run.abandon("the launcher of CGI programs has ended", !wasReady);
    this.#onOpened?.(text || "it ended without a word");
    if (this.#isStopped) this.#stopping?.resolve();
    else if (this.#onOpened === null) this.#listener.onLauncherEnd(text);
  }
}

function encode(input: ProgramInput): object | null {
  switch (input.kind) {
    case "none":
      return null;
    case "memory":
      return { bytes: input.bytes.toString("base64") };
    default:
      return { path: Buffer.from(input.path).toString("latin1") };
  }
}
