// A Python process of the server's own, such as a launcher: how it is started so that nothing of the server reaches
// the code that it runs, and JSON lines in both directions over its descriptor 3. It is spawned seldom, because
// spawning from Node blocks the event loop in proportion to its memory (1.5 ms at 52 MB).

import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { Socket } from "node:net";

import { eachLine, gatherLines } from "./output.ts";

export interface PythonProcessOptions {
  readonly python: string;
  /** The folder that holds the package typhon_worker. */
  readonly packageFolder: string;
  /** The package whose module `main` is run. */
  readonly entry: "typhon_worker" | "typhon_worker.cgi";
  /** Descriptors that it inherits as 4, 5 … */
  readonly passed: readonly number[];
}

export interface PythonProcessListener {
  onMessage(message: Message): void;
  /** A line of its standard output or standard error. */
  onLine(line: string): void;
  /** It has ended, once. `text`: the reason, if known. */
  onEnd(text: string): void;
}

/** The process's control socket; inherited descriptors follow it. */
const CONTROL_FD = 3;
/** Descriptors that spawn() needs for a moment: two for each pipe, and two to hear whether exec() has succeeded. */
const SPAWN_DESCRIPTORS = 8;
/** Close-on-exec in the flags of proc_pid_fdinfo(5). */
const O_CLOEXEC = 0o2000000;
/** A message in either direction. */
const MAX_LINE_BYTES = 1_048_576;
/** Characters of a line on control that is told because it is no message. */
const MAX_QUOTED = 200;
/** For the last output of a process that has ended. */
const LAST_OUTPUT_MS = 1000;
/** Characters of the process's output that are kept, because they tell why it ended. */
const STDERR_TAIL = 4096;

/**
 * Descriptors that our own parent process left open, and that a program which we start would inherit. Node marks
 * its own, and the first ones of the others, so that they are closed. Read once, while there are few.
 */
const PASSED_ON = findInheritable();

export class PythonProcess {
  readonly #listener: PythonProcessListener;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  #stderrTail = "";
  #lastOutput: NodeJS.Timeout | undefined;
  #hasEnded = false;

  /** Throws if no process can be spawned; an interpreter that cannot be run is an end. */
  constructor(options: PythonProcessOptions, listener: PythonProcessListener) {
    this.#listener = listener;
    const highest = CONTROL_FD + options.passed.length;
    const passedOn = PASSED_ON.filter((fd) => fd > highest).join();
    const args = ["-c", bootOf(options.entry), options.packageFolder, String(highest), passedOn];
    try {
      requireDescriptors();
      this.#child = spawn(options.python, args, {
        stdio: ["ignore", "pipe", "pipe", "pipe", ...options.passed],
      });
      this.#child.on("error", (error) => this.#end(error.message));
      this.#child.on("exit", () => this.#awaitOutput());
      this.#child.on("close", () => this.#end(this.#stderrTail.trim()));
      this.#control = controlOf(this.#child);
    } catch (error) {
      // The caller knows by this error; the child's "error" event adds nothing.
      this.#hasEnded = true;
      throw error;
    }
    const control = this.#control;
    // A write to a process that has just died fails; the child's "close" follows.
    control.on("error", () => undefined);
    gatherLines(control, (lines) => {
      eachLine(lines, (line) => this.#read(line));
      return true;
    });
    this.#child.stdout?.on("data", (bytes: Buffer) => this.#readOutput(bytes));
    this.#child.stderr?.on("data", (bytes: Buffer) => this.#readOutput(bytes));
  }

  /** Sends a message; false: the message is too long, or the process ends. */
  say(message: object): boolean {
    const line = `${JSON.stringify(message)}\n`;
    if (this.#control.destroyed || Buffer.byteLength(line) > MAX_LINE_BYTES) return false;
    this.#control.write(line);
    return true;
  }

  /** Closes control, at which the process ends. */
  stop(): void {
    this.#control.end();
  }

  /** Kills the process; `reason` is the text of its end. */
  kill(reason: string): void {
    this.explainEnd(reason);
    this.#child.kill("SIGKILL");
  }

  /** Gives the reason for an end that follows. */
  explainEnd(text: string): void {
    this.#stderrTail = text;
  }

  #read(line: string): void {
    const message = parse(line);
    if (message !== null) {
      this.#listener.onMessage(message);
      return;
    }
    // A start-up hook has written into control, or the process is broken.
    this.kill(`control carried no message: ${line.slice(0, MAX_QUOTED)}`);
  }

  #readOutput(bytes: Buffer): void {
    const text = bytes.toString("utf8");
    this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL);
    for (const line of text.split("\n")) if (line !== "") this.#listener.onLine(line);
  }

  // A process that it has left may keep its output open, and "close" would never come.
  #awaitOutput(): void {
    this.#lastOutput = setTimeout(() => this.#end(this.#stderrTail.trim()), LAST_OUTPUT_MS);
  }

  #end(text: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#lastOutput);
    this.#control.destroy();
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    this.#listener.onEnd(text);
  }
}

/** A message of the process, its fields read with their types. */
export class Message {
  readonly #fields: object;

  constructor(fields: object) {
    this.#fields = fields;
  }

  /** 0 if it is no number. */
  number(name: string): number {
    return this.nullable(name) ?? 0;
  }

  nullable(name: string): number | null {
    const value = this.#get(name);
    return typeof value === "number" ? value : null;
  }

  /** "" if it is no text. */
  text(name: string): string {
    const value = this.#get(name);
    return typeof value === "string" ? value : "";
  }

  isTrue(name: string): boolean {
    return this.#get(name) === true;
  }

  #get(name: string): unknown {
    return Object.getOwnPropertyDescriptor(this.#fields, name)?.value;
  }
}

// `-c` puts the working directory first on sys.path. The server's own package is imported from its folder,
// which is then removed from sys.path, so that no module of Typhon or of the working directory can shadow a
// module of the application.
function bootOf(entry: PythonProcessOptions["entry"]): string {
  return (
    "import sys; sys.version_info >= (3, 10) or " +
    "sys.exit('Typhon needs Python 3.10 or newer, this is %d.%d' % sys.version_info[:2]); " +
    "sys.path[:1] = [sys.argv[1]] if sys.path[:1] == [''] else [sys.argv[1], *sys.path[:1]]; " +
    `from ${entry} import main; sys.path.remove(sys.argv[1]); main.main()`
  );
}

/** A message; null: the line is none. */
function parse(line: string): Message | null {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === "object" && message !== null && "op" in message
      ? new Message(message)
      : null;
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
