// The real command, started by a test with a process group and a mark of its own, on a free port; its output
// is collected. At the end of the scope it is stopped by SIGTERM, as a service manager does; a process that
// it leaves behind fails the test.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";

import { until, within } from "./deadline.ts";
import { Output } from "./output.ts";
import { findGrandchildren, findStarted, MARK_VARIABLE, type ProcessFacts } from "./processes.ts";
import { APPS, CHECKOUT, COMMAND, requirePython, type Scope } from "./scratch.ts";

/** A start with Django on a loaded machine takes seconds. */
const START_MS = 60_000;
/** The server's own limit for running requests is 25 s. */
const STOP_MS = 40_000;

/** Variables of the shell that would steer the server, or another server that is measured. */
const STEERING =
  /^(?:(?:TYPHON|GRANIAN|GUNICORN|UVICORN)_.*|PORT|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS|VIRTUAL_ENV|PYTHON.*|NODE_.*)$/;

/** `PRELOADED=1 node --test test/e2e/FILE` runs a file with --preload, to see which tests then fail and why. */
const FORCED = process.env["PRELOADED"] === undefined ? {} : { TYPHON_PRELOAD: "1" };

export interface TyphonOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another way to the command, such as a symbolic link to it. */
  readonly command?: string;
  /** The number of another user, who runs it; only root may. */
  readonly user?: number | undefined;
  /** false: the arguments as they are, without ours for address, folder and interpreter. */
  readonly defaults?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running server. */
export class Typhon {
  readonly output = new Output();
  readonly mark: string = randomUUID();
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  #exit: Exit | null = null;
  #url = "";

  constructor(args: readonly string[], options: TyphonOptions) {
    const { env = {}, cwd = CHECKOUT, command = COMMAND, user } = options;
    const inherited = Object.entries(process.env).filter(([name]) => !STEERING.test(name));
    this.#process = spawn(command, args, {
      cwd,
      ...(user === undefined ? {} : { uid: user, gid: user }),
      detached: true,
      env: { ...Object.fromEntries(inherited), [MARK_VARIABLE]: this.mark, ...FORCED, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.#process;
    assert(stdout !== null && stderr !== null);
    this.output.collect(stdout, "stdout");
    this.output.collect(stderr, "stderr");
    this.exited = this.#waitForExit();
  }

  get pid(): number {
    const { pid, spawnfile } = this.#process;
    assert(pid !== undefined, `${spawnfile} could not be started`);
    return pid;
  }

  /** "http://127.0.0.1:PORT" or "https://…" of the first address, without a slash; known when it has started. */
  get url(): string {
    return this.#url;
  }

  get port(): number {
    // URL drops the port that its scheme implies.
    return Number(new URL(this.#url).port || 80);
  }

  /** The port of the second address. */
  get secondPort(): number {
    const [, url] = this.output.all.match(/ at https?:\/\/\S+ (https?:\/\/\S+)/) ?? [];
    assert(url !== undefined, this.output.all);
    return Number(new URL(url).port);
  }

  get hasExited(): boolean {
    return this.#exit !== null;
  }

  /** Waits until it says on which address it listens. */
  async waitForStart(): Promise<void> {
    const started = this.output.waitFor(/https?:\/\/[\w.:[\]]+:\d+/, 0, START_MS);
    const ended = this.exited.then(({ code, signal }) => {
      throw new assert.AssertionError({
        message: `ended at its start with ${code ?? signal}:\n${this.output.all}`,
      });
    });
    // The server may end at any later time.
    ended.catch(() => {});
    const [url] = await Promise.race([started, ended]);
    this.#url = url;
  }

  /** Every process that the server has started and that still runs, itself included. */
  processes(): ProcessFacts[] {
    return findStarted(this.mark, this.pid);
  }

  /** The processes that run the application: children of the launcher, whose parent is the server. */
  workers(): ProcessFacts[] {
    return findGrandchildren(this.pid);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Stops it as a service manager does, and checks that it went well and left nothing behind. */
  async stop(name: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.#exit === null) this.signal(name);
    const exit = await within(STOP_MS, this.exited, `the server ends after ${name}`);
    assert.deepEqual(exit, { code: 0, signal: null }, `exit after ${name}\n${this.output.all}`);
    assert.doesNotMatch(this.output.stderr, /a fault of Typhon/);
    await this.leavesNothing();
  }

  /** Waits until no process of the server is left. */
  async leavesNothing(): Promise<void> {
    await until(
      `nothing of the server is left\n${this.output.all.slice(-4000)}`,
      () => this.processes().length === 0,
    );
  }

  /** Ends everything at once. Only processes with our mark or in our group are touched. */
  kill(): void {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself in the meantime.
      }
    }
  }

  async #waitForExit(): Promise<Exit> {
    // "close" comes when the output has been read to its end as well.
    const [code, signal] = await once(this.#process, "close");
    this.#exit = { code, signal };
    return this.#exit;
  }
}

/**
 * Starts `typhon ARGS` with the test applications, the tests' Python and a free port, each unless `args` says
 * otherwise. Stopped and checked at the end of the scope, unless the test has done so.
 */
export async function startTyphon(
  scope: Scope,
  args: readonly string[],
  options: TyphonOptions = {},
): Promise<Typhon> {
  const typhon = new Typhon(options.defaults === false ? args : withDefaults(args), options);
  scope.after(async () => {
    try {
      await (typhon.hasExited ? typhon.leavesNothing() : typhon.stop());
    } finally {
      typhon.kill();
    }
  });
  await typhon.waitForStart();
  return typhon;
}

export interface Run extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `typhon ARGS` to its end: for --help and for starts that fail. Nothing may be left. */
export async function runTyphon(
  args: readonly string[],
  options: TyphonOptions = {},
): Promise<Run> {
  const typhon = new Typhon(args, options);
  try {
    const exit = await within(START_MS, typhon.exited, `typhon ${args.join(" ")} ends`);
    await typhon.leavesNothing();
    return { ...exit, stdout: typhon.output.stdout, stderr: typhon.output.stderr };
  } finally {
    typhon.kill();
  }
}

/** The same defaults for a command that is expected to fail. */
export function withDefaults(args: readonly string[]): string[] {
  const has = (...names: string[]): boolean =>
    args.some((word) => names.some((name) => word === name || word.startsWith(`${name}=`)));
  const words = [...args];
  if (!has("--bind", "-b", "--host", "--port", "-p")) words.push("--bind", "127.0.0.1:0");
  if (!has("--app-dir")) words.push("--app-dir", APPS);
  if (!has("--python")) words.push("--python", requirePython());
  return words;
}
