// A launcher of CGI programs for tests: the real one, small programs in a folder, and what each run has told.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { CgiLauncher, type CgiLauncherOptions } from "../../src/cgi/launcher.ts";
import type {
  ProgramEnd,
  ProgramListener,
  ProgramRequest,
  RunningProgram,
} from "../../src/cgi/program.ts";
import { PATIENCE_MS, until, within } from "./deadline.ts";
import { FileLimit } from "./file-count.ts";
import { listDescriptors } from "./processes.ts";
import { CHECKOUT, makeScratch, requirePython, type Scope } from "./scratch.ts";

/** Everything that one run has told. */
export class RecordedRun implements ProgramListener {
  pid = 0;
  isWarm = false;
  output = "";
  outputBytes = 0;
  errorText = "";
  /** What came, in this order; output and text once each. */
  readonly events: string[] = [];
  readonly ended: Promise<ProgramEnd>;
  readonly #onEnded: (end: ProgramEnd) => void;
  /** Set by the world that has started the run. */
  running: RunningProgram | null = null;
  readonly #keepsOutput: boolean;

  constructor(keepsOutput: boolean) {
    this.#keepsOutput = keepsOutput;
    const { promise, resolve } = Promise.withResolvers<ProgramEnd>();
    this.ended = promise;
    this.#onEnded = resolve;
  }

  onStarted(pid: number, isWarm: boolean): void {
    this.#note("started");
    [this.pid, this.isWarm] = [pid, isWarm];
  }

  onOutput(bytes: Buffer): void {
    this.#note("output");
    this.outputBytes += bytes.length;
    if (this.#keepsOutput) this.output += bytes.toString("latin1");
  }

  onOutputEnd(): void {
    this.#note("output end");
  }

  onErrorText(text: string): void {
    this.#note("error text");
    this.errorText += text;
  }

  onEnd(end: ProgramEnd): void {
    this.#note("end");
    this.#onEnded(end);
  }

  /** The end of the program, with its output. */
  async end(): Promise<ProgramEnd> {
    return await within(PATIENCE_MS, this.ended, "the end of a program");
  }

  async printed(text: string): Promise<void> {
    await until(`the output ${text}`, () => this.output.includes(text));
  }

  // Nothing comes after the end, and an end or a start comes once.
  #note(event: string): void {
    assert(!this.events.includes("end"), `${event} after the end`);
    const isRepeated = event === "output" || event === "error text";
    if (this.events.includes(event)) assert(isRepeated, `${event} twice`);
    else this.events.push(event);
  }
}

export class CgiWorld {
  readonly launcher: CgiLauncher;
  readonly folder: string;
  readonly count: FileLimit;
  /** What the launcher has told outside of runs. */
  readonly lines: string[] = [];
  readonly launcherEnds: string[] = [];
  #programs = 0;

  constructor(scope: Scope, options: Partial<CgiLauncherOptions> = {}, maxFiles = 1000) {
    this.folder = makeScratch(scope);
    this.count = new FileLimit(maxFiles);
    this.launcher = new CgiLauncher(
      {
        python: requirePython(),
        packageFolder: join(CHECKOUT, "python"),
        templateIdleMs: 60_000,
        count: this.count,
        ...options,
      },
      {
        onLauncherLine: (line) => this.lines.push(line),
        onLauncherEnd: (text) => this.launcherEnds.push(text),
        onCold: () => undefined,
      },
    );
    scope.after(async () => await this.launcher.stop());
  }

  /** Writes a program and makes it executable; returns its path. */
  write(source: string, name = `program-${(this.#programs += 1)}`): string {
    const path = join(this.folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, source);
    chmodSync(path, 0o755);
    return path;
  }

  /** Runs a program, cold unless `request` says otherwise. */
  run(program: string, request: Partial<ProgramRequest> = {}, keepsOutput = true): RecordedRun {
    const recorded = new RecordedRun(keepsOutput);
    recorded.running = this.launcher.run(
      {
        program,
        python: "",
        args: [],
        folder: this.folder,
        environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
        input: { kind: "none" },
        mayBeWarm: false,
        preload: [],
        ...request,
      },
      recorded,
    );
    return recorded;
  }

  /** Runs a shell script. */
  runShell(source: string, request: Partial<ProgramRequest> = {}, keepsOutput = true): RecordedRun {
    return this.run(this.write(`#!/bin/sh\n${source}\n`), request, keepsOutput);
  }

  /** Id of the launcher's process; starts it if it does not run. */
  async launcherPid(): Promise<number> {
    const run = this.runShell('echo "$PPID"');
    assert.deepEqual(await run.end(), { code: 0, signal: null, failure: "" });
    return Number(run.output);
  }

  /** Waits until the launcher has only the descriptors that it has without runs. */
  async areDescriptorsClosed(pid: number): Promise<void> {
    // Standard streams, control, the poll object, and the two ends of the reaper's pipe.
    await until("the launcher to close descriptors", () => listDescriptors(pid).length === 7);
  }
}
