// One run of a program at the front: what the launcher reports, and the program's output, which the front reads
// itself. `onEnd` of the listener comes when both are over.
//
//   starting ──started──▶ opening ──▶ reading ──end of file──▶ done ─┐
//       │                    └──end(), kill(), a fault──────────▲     ├──▶ over: onEnd
//       ├──failed──────────────────────────────────────────────┐│     │
//       └──started──▶ the process has ended ───────────────────┴┴─────┘
//
// Another process may keep the output open when the program has ended. Its bytes are read while they come; when
// none has come for OUTPUT_GRACE_MS, the process group is killed, and the output is over.

import { close, constants, open } from "node:fs";
import { Socket } from "node:net";

import type { FileCount } from "../net/file-tree.ts";
import type { ProgramEnd, ProgramListener, RunningProgram } from "./program.ts";

/** After the end of a program: time without output of a process that it has left, while the client takes output. */
const OUTPUT_GRACE_MS = 2000;
/** For the end of a program that was killed; one that hangs in the kernel is given up. */
const KILL_TIMEOUT_MS = 10_000;
/** For the start of a program by a launcher that runs; a launcher that takes longer hangs. */
const START_TIMEOUT_MS = 30_000;

/** What a run needs of the launcher. */
export interface RunPort {
  readonly count: FileCount;
  /** Tells the launcher something about a run. */
  say(op: "opened" | "end" | "kill", id: number): void;
  /** The launcher does not answer. */
  onHang(): void;
  /** The run is over. */
  onOver(id: number): void;
}

const OUTPUT_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

export class ProgramRun implements RunningProgram {
  readonly #id: number;
  readonly #port: RunPort;
  readonly #listener: ProgramListener;
  #output: "waiting" | "opening" | "reading" | "done" = "waiting";
  #socket: Socket | null = null;
  #isPaused = false;
  /** Process id, and id of the process group; 0: not started. */
  #pid = 0;
  /** How the program has ended. */
  #end: ProgramEnd | null = null;
  #isOver = false;
  /** One at a time: for the start, for the output after the end, or for the end of a killed program. */
  #timer: NodeJS.Timeout | undefined;
  #isSilent = false;

  constructor(id: number, port: RunPort, listener: ProgramListener) {
    this.#id = id;
    this.#port = port;
    this.#listener = listener;
    this.#timer = setTimeout(() => port.onHang(), START_TIMEOUT_MS);
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
    if (this.#end !== null) clearTimeout(this.#timer);
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket?.resume();
    this.#awaitOutput();
  }

  end(): void {
    this.#stop("end");
  }

  kill(): void {
    this.#stop("kill");
  }

  /** The program runs; `path`: its output, until the launcher hears that it was opened. */
  onStarted(pid: number, path: string, isWarm: boolean): void {
    if (this.#output !== "done") clearTimeout(this.#timer);
    this.#pid = pid;
    this.#listener.onStarted(pid, isWarm);
    if (this.#output === "done") {
      this.#port.say("opened", this.#id);
      return;
    }
    this.#output = "opening";
    this.#port.count.opening();
    open(path, OUTPUT_FLAGS, (error, fd) => this.#onOpened(error, fd));
  }

  onErrorText(text: string): void {
    this.#listener.onErrorText(text);
  }

  /** The program has ended, or could not be started. */
  onEnded(end: ProgramEnd): void {
    clearTimeout(this.#timer);
    this.#end = end;
    if (this.#output === "waiting") this.#output = "done";
    if (this.#output === "done") this.#finish(end);
    else this.#awaitOutput();
  }

  /** Nobody will report the end of the program: its process group is killed. `isForNow`: as in ProgramEnd. */
  abandon(failure: string, isForNow = false): void {
    if (this.#end === null) this.#killGroup();
    this.#dropOutput();
    this.#finish(this.#end ?? { code: null, signal: null, failure, isForNow });
  }

  #onOpened(error: Error | null, fd: number): void {
    const { count } = this.#port;
    count.opened();
    this.#port.say("opened", this.#id);
    if (error !== null) {
      count.closing();
      count.closed();
      this.#fail(error);
      return;
    }
    if (this.#output === "done") {
      this.#closeFile(fd);
      return;
    }
    let socket: Socket;
    try {
      socket = new Socket({ fd, readable: true, writable: false });
    } catch (fault) {
      this.#closeFile(fd);
      this.#fail(fault);
      return;
    }
    this.#output = "reading";
    this.#socket = socket;
    // Before the listener, whose addition would begin to read.
    if (this.#isPaused) socket.pause();
    socket.on("data", (bytes) => this.#onData(bytes));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      count.closing();
      count.closed();
      this.#onOutputEnd();
    });
    this.#awaitOutput();
  }

  #closeFile(fd: number): void {
    const { count } = this.#port;
    count.closing();
    close(fd, () => count.closed());
  }

  #onData(bytes: Buffer): void {
    if (this.#output !== "reading") return;
    this.#isSilent = false;
    this.#listener.onOutput(bytes);
    this.#awaitOutput();
  }

  #onOutputEnd(): void {
    if (this.#output === "done") return;
    this.#output = "done";
    this.#listener.onOutputEnd();
    if (this.#end !== null) this.#finish(this.#end);
  }

  // The output cannot be read, so the program is of no use.
  #fail(fault: unknown): void {
    if (this.#output === "done") return;
    const failure = `its output cannot be read: ${String(fault)}`;
    if (this.#end === null) this.#port.say("kill", this.#id);
    else this.#killGroup();
    this.#dropOutput();
    this.#finish({ code: null, signal: null, failure });
  }

  #stop(op: "end" | "kill"): void {
    if (this.#isOver) return;
    const end = this.#end;
    this.#dropOutput();
    if (end === null) {
      this.#port.say(op, this.#id);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.abandon("it could not be killed"), KILL_TIMEOUT_MS);
      return;
    }
    this.#killGroup();
    // Not in a call of the listener's.
    process.nextTick(() => this.#finish(end));
  }

  #dropOutput(): void {
    this.#output = "done";
    this.#socket?.destroy();
  }

  #awaitOutput(): void {
    if (this.#end === null || this.#output !== "reading" || this.#isPaused) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isSilent = true;
      // Behind bytes that came while this process stood still.
      setImmediate(() => this.#endOutput());
    }, OUTPUT_GRACE_MS);
  }

  #endOutput(): void {
    if (!this.#isSilent || this.#isPaused || this.#output !== "reading") return;
    this.#killGroup();
    this.#onOutputEnd();
    this.#socket?.destroy();
  }

  // While the program runs, the launcher kills, which knows whether the number is still the program's. A process
  // group keeps its number while it has a process.
  #killGroup(): void {
    if (this.#pid <= 1) return;
    try {
      process.kill(-this.#pid, "SIGKILL");
    } catch {
      // The group has no process.
    }
  }

  #finish(end: ProgramEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#port.onOver(this.#id);
    this.#listener.onEnd(end);
  }
}
