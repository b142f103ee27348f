// A server that faults are done to: its programs, its processes, its log, and the application's notes. All
// servers have the same interface; members that only Typhon has (log events, `typhon reload`) say so.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { until, within } from "../../test/support/deadline.ts";
import { isRunning } from "../../test/support/processes.ts";
import type { ProcessFacts } from "../../test/support/processes.ts";
import { runTyphon, Typhon, type Exit } from "../../test/support/typhon.ts";
import { findFreePort } from "../client.ts";
import { treeCpuSeconds } from "../process-tree.ts";
import { Client, get } from "./client.ts";
import { Notes } from "./notes.ts";
import { makePrograms, type ChaosProgram, type Extras } from "./programs.ts";
import { isAsync, NotBuilt, type AppName, type ServerName } from "./trial.ts";

/** What a trial may ask of a start. */
export interface SubjectOptions {
  /** Default 2; threads 4, which the peers always have. */
  readonly workers?: number;
  readonly threads?: number;
  readonly extras?: Extras;
  /** Default: a free one. */
  readonly port?: number;
  /** Limit of open files, by `ulimit -n`. */
  readonly maxDescriptors?: number;
  /** Limit of the size of a file, KiB, by `ulimit -f`. */
  readonly maxFileKib?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Words before the command, such as `unshare --pid`. */
  readonly before?: readonly string[];
}

/** A line of Typhon's log. */
export type LogEvent = Readonly<Record<string, unknown>>;

const START_MS = 30_000;
/** Typhon's own limit for what runs at its end is 25 s. */
const END_MS = 30_000;
/** How long to wait for an event that has no deadline: generous for Typhon, short for peers. */
const OWN_PATIENCE_MS = 30_000;
const PEER_PATIENCE_MS = 5_000;

/** SIGKILL; false if the process has ended by itself meanwhile. */
export function killProcess(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

/** Everything that was started by us, so that a signal to us can end it. */
const all = new Set<Subject>();

export class Subject {
  readonly server: ServerName;
  readonly workers: number;
  readonly threads: number;
  readonly port: number;
  readonly notes: Notes;
  readonly isAsync: boolean;
  /** How long to wait for an event that has no deadline. */
  readonly patienceMs: number;
  isKilled = false;
  /** The first program has the workers, the last listens. `Typhon` starts and marks any program. */
  readonly #programs: Typhon[] = [];

  private constructor(
    [server, app]: readonly [ServerName, AppName],
    port: number,
    folder: string,
    options: SubjectOptions,
  ) {
    this.server = server;
    this.isAsync = isAsync(app);
    this.patienceMs = server === "typhon" ? OWN_PATIENCE_MS : PEER_PATIENCE_MS;
    this.workers = options.workers ?? 2;
    this.threads = options.threads ?? 4;
    this.port = port;
    this.notes = new Notes(folder);
  }

  /**
   * Starts the server and waits until every worker is up; `onBegun` is called before. Throws NotBuilt, or an
   * Error with the server's output.
   */
  static async start(
    server: ServerName,
    app: AppName,
    folder: string,
    options: SubjectOptions,
    onBegun: (subject: Subject) => void,
  ): Promise<Subject> {
    const port = options.port ?? (await findFreePort());
    const self = new Subject([server, app], port, folder, options);
    const { workers, threads } = self;
    all.add(self);
    onBegun(self);
    const extras = options.extras ?? {};
    const order = { server, app, workers, threads, port, folder, extras };
    const started = self.notes.starts().length;
    for (const program of makePrograms(order)) self.#spawn(program, options);
    await self.#waitForStart(started);
    return self;
  }

  /** Ends every server that was started; for the end of our own process. */
  static killAll(): void {
    for (const subject of all) subject.kill();
  }

  /** The process that has the workers: gunicorn's where nginx is in front of it. */
  get main(): Typhon {
    return this.#at(0);
  }

  /** The process that listens. */
  get front(): Typhon {
    return this.#at(-1);
  }

  get log(): string {
    return this.#programs.map(({ output }) => output.all).join("\n");
  }

  /** Events of one name in Typhon's log. */
  events(name: string): LogEvent[] {
    return this.log
      .split("\n")
      .filter((line) => line.startsWith("{") && line.includes(`"event":"${name}"`))
      .map((line): LogEvent => Object.fromEntries(Object.entries(Object(JSON.parse(line)))));
  }

  /** All its processes that run. */
  processes(): ProcessFacts[] {
    return this.#programs.flatMap((program) => program.processes());
  }

  /** The processes that have loaded the application and run, oldest first. */
  workerPids(): number[] {
    return this.notes
      .starts()
      .map(({ pid }) => pid)
      .filter(isRunning);
  }

  /** Typhon's launcher, 0 while there is none. */
  launcherPid(): number {
    return this.processes().find(({ parent }) => parent === this.main.pid)?.pid ?? 0;
  }

  /** The workers of Typhon's present launcher. */
  launchedPids(): number[] {
    const launcher = this.launcherPid();
    const workers = new Set(this.workerPids());
    return this.processes()
      .filter(({ pid, parent }) => parent === launcher && workers.has(pid))
      .map(({ pid }) => pid);
  }

  /** Processor seconds used so far by all its processes. */
  cpuSeconds(): number {
    return treeCpuSeconds(this.#programs.map(({ pid }) => pid));
  }

  /** `typhon reload`: its exit code and what it printed. Needs `--pid` (pidFile). */
  async reload(): Promise<{ code: number | null; output: string }> {
    const { code, stdout, stderr } = await runTyphon(["reload", "--pid", this.pidFile]);
    return { code, output: stdout + stderr };
  }

  get pidFile(): string {
    return join(this.notes.folder, "pid");
  }

  /** A signal to the main process; throws if that has ended by itself. */
  signal(name: NodeJS.Signals): void {
    if (this.main.hasExited)
      throw new Error(`the server had ended before ${name}: ${this.main.output.all.slice(-2000)}`);
    this.main.signal(name);
  }

  /** Stops by SIGTERM, as a service manager does; null if the server has not ended in time. */
  async stop(): Promise<Exit | null> {
    const last = this.front;
    // nginx lets requests finish on SIGQUIT only, and needs gunicorn meanwhile.
    last.signal(last === this.main ? "SIGTERM" : "SIGQUIT");
    try {
      const exit = await within(END_MS, last.exited, "end");
      if (last !== this.main) this.main.signal("SIGTERM");
      return exit;
    } catch {
      return null;
    }
  }

  /** Whether nothing of it is left within `ms`. */
  async isGone(ms: number): Promise<boolean> {
    try {
      await until("all processes have ended", () => this.processes().length === 0, ms);
      return true;
    } catch {
      return false;
    }
  }

  /** Kills the processes that are left. */
  kill(): void {
    this.isKilled = true;
    for (const program of this.#programs) program.kill();
    all.delete(this);
  }

  #at(index: number): Typhon {
    const program = this.#programs.at(index);
    if (program === undefined) throw new Error("nothing was started");
    return program;
  }

  #spawn(program: ChaosProgram, options: SubjectOptions): void {
    const { maxDescriptors, maxFileKib, environment, before = [] } = options;
    const { folder } = this.notes;
    const env = { ...program.environment, CHAOS_DIR: folder, ...environment };
    const words = [...before, program.command, ...program.args];
    // No core files: writing one delays the end of a process.
    const limits = ["ulimit -c 0"];
    if (maxDescriptors !== undefined) limits.push(`ulimit -n ${maxDescriptors}`);
    // A shell counts file sizes in blocks of 512 bytes.
    if (maxFileKib !== undefined) limits.push(`ulimit -f ${2 * maxFileKib}`);
    const args = ["-c", `${limits.join("; ")}; exec "$@"`, "sh", ...words];
    this.#programs.push(new Typhon(args, { command: "sh", env, cwd: folder }));
  }

  async #waitForStart(startedBefore: number): Promise<void> {
    const client = new Client(this.port);
    const last = performance.now() + START_MS;
    let isAnswering = false;
    while (!isAnswering || this.notes.starts().length < startedBefore + this.workers) {
      const ended = this.#programs.find(({ hasExited }) => hasExited);
      if (ended !== undefined) await this.#throwEnd(ended);
      if (performance.now() > last)
        throw new Error(`no answer from all workers in ${START_MS} ms:\n${this.log.slice(-2000)}`);
      isAnswering ||= (await client.ask(get("/quick"))).status === 200;
      await sleep(5);
    }
    client.close();
  }

  async #throwEnd(ended: Typhon): Promise<void> {
    const { code } = await ended.exited;
    const text = `ended at its start with ${code}: ${this.log.trim().slice(-2000)}`;
    if (this.server === "typhon" && code === 2 && /unknown option/.test(this.log))
      throw new NotBuilt(text);
    throw new Error(text);
  }
}
