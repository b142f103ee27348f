// The process of a worker: its channel, its notes, its output and its entry in /proc. Opens the files that the
// launcher has made for it (docs/worker-protocol.md, "Run directories"); decides nothing.

import { closeSync, constants, fstatSync, readFileSync, readSync } from "node:fs";
import { Socket } from "node:net";

import { Channel } from "./channel.ts";
import { FrameType, type FrameReceiver } from "./frame.ts";
import { eachLine, gatherLines, type TakeLines } from "../processes/output.ts";
import { decodeNotes, SLOT_BYTES, type Note } from "./page.ts";
import { openFiles, type RunDirectory } from "./run-directory.ts";
import { StackReport, STACKS_SIGNAL } from "./stack-report.ts";

/** Index of the start time in /proc/PID/stat, counted after the process's name (proc_pid_stat(5)). */
const START_TIME_FIELD = 19;
/** Index of the two CPU times, user and system, counted in the same way. */
const CPU_TIME_FIELD = 11;
/** A clock tick of /proc on the usual Linux systems (getconf CLK_TCK is 100). */
const TICK_MS = 10;
/** The size of a memory page on the usual Linux systems (getconf PAGESIZE). */
const MEMORY_PAGE_BYTES = 4096;

export interface WorkerProcessListener extends FrameReceiver {
  /** The channel has ended: the process is gone or has closed it. `fault`: how it broke the protocol. */
  onChannelEnd(fault: string | null): void;
  /** Whole lines that the process has written, as `TakeLines` says. */
  onOutput(stream: "stdout" | "stderr", lines: Buffer): boolean;
}

const { O_RDONLY, O_NONBLOCK } = constants;
const FILES = [
  ["notes", O_RDONLY],
  ["out", O_RDONLY | O_NONBLOCK],
  ["err", O_RDONLY | O_NONBLOCK],
  ["stacks", O_RDONLY | O_NONBLOCK],
] as const;

/** The interface of a worker's process; tests use an object without a process. */
export type WorkerPort = Pick<WorkerProcess, keyof WorkerProcess>;

export class WorkerProcess {
  #pid: number;
  readonly #channel: Channel;
  readonly #outputs: readonly Socket[];
  readonly #stacks: StackReport;
  readonly #signalByLauncher: (signal: number) => void;
  /** Distinguishes the process from a later one with the same id. */
  #startTime: string;
  #notes: number;
  #isOrphan = false;

  /**
   * Opens the worker's files in `directory`, which may be removed afterwards. `signal`: sends a signal by its
   * parent, the launcher. Throws the system's error if a file cannot be opened.
   */
  constructor(
    pid: number,
    directory: RunDirectory,
    signal: (signal: number) => void,
    listener: WorkerProcessListener,
  ) {
    this.#pid = pid;
    this.#signalByLauncher = signal;
    this.#startTime = requireStartTime(pid);
    const [notes = -1, out = -1, err = -1, stacks = -1] = openFiles(directory, FILES);
    this.#notes = notes;
    // The connection is made at once, so that the socket's path is not needed later.
    const path = directory.file("channel");
    this.#channel = new Channel(path, listener, (fault) => listener.onChannelEnd(fault));
    this.#stacks = new StackReport(
      (id) => this.say(FrameType.STACKS, id),
      (stacksSignal) => this.signal(stacksSignal),
    );
    this.#outputs = [
      readLines(out, (lines) => listener.onOutput("stdout", lines)),
      readLines(err, (lines) => listener.onOutput("stderr", lines)),
      readLines(stacks, (lines) => {
        eachLine(lines, (line) => this.#stacks.addLine(line));
        return true;
      }),
    ];
  }

  get pid(): number {
    return this.#pid;
  }

  /**
   * The template has loaded the application, and has forked the worker's own process. Throws the system's error if
   * nothing can be read about it.
   */
  forked(pid: number): void {
    this.#startTime = requireStartTime(pid);
    this.#pid = pid;
  }

  /** Whether the channel has ended. */
  get isChannelClosed(): boolean {
    return this.#channel.isClosed;
  }

  /** Called by the coarse clock. */
  tick(): void {
    this.#channel.tick();
  }

  /** Sends complete frames, whose memory then belongs to the channel. */
  send(frame: Buffer): void {
    this.#channel.send(frame);
  }

  /** Sends a frame without a payload. */
  say(type: number, id = 0): void {
    this.#channel.say(type, id);
  }

  /** The requests in the first `slots` slots of the notes. */
  readNotes(slots: number): Note[] {
    if (this.#notes < 0) return [];
    // The file grows with the requests that the worker runs at once.
    const notes = Buffer.alloc(Math.min(slots * SLOT_BYTES, fstatSync(this.#notes).size));
    const read = readSync(this.#notes, notes, 0, notes.length, 0);
    return decodeNotes(notes.subarray(0, read));
  }

  residentBytes(): number {
    const [, pages = "0"] = (readProc(this.pid, "statm") ?? "").split(" ");
    return Number(pages) * MEMORY_PAGE_BYTES;
  }

  /**
   * Calls `onText` once with the stacks of all threads, first that of the request `id` (0: of no request), "" if
   * they cannot be read.
   */
  askStacks(id: number, onText: (text: string) => void): void {
    this.#stacks.ask(id, onText);
  }

  /** The same while the worker loads the application: faulthandler's stacks. */
  askLoadingStacks(onText: (text: string) => void): void {
    // Without a handler the signal would end the process.
    if (catchesSignal(this.pid, STACKS_SIGNAL)) this.#stacks.askBySignal(onText);
    else onText("");
  }

  /** The worker has sent the stacks that were asked for the request `id`. */
  tellStacks(id: number, text: string): void {
    this.#stacks.tell(id, text);
  }

  signal(signal: number): void {
    if (!this.#isOrphan) {
      this.#signalByLauncher(signal);
      return;
    }
    if (this.hasExited()) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // The process has just ended; hasExited() will return true.
    }
  }

  /** The launcher has died: from now on signals are sent directly to the process. */
  orphan(): void {
    this.#isOrphan = true;
  }

  /** Whether the process has ended; for orphans, whose end no launcher reports. */
  hasExited(): boolean {
    const startTime = startTimeOf(this.pid);
    return startTime !== null && startTime !== this.#startTime;
  }

  /** Closes all but the output: children of the application may still write, and the output ends by itself. */
  close(): void {
    this.#stacks.close();
    for (const output of this.#outputs) output.unref();
    this.#channel.destroy();
    if (this.#notes >= 0) closeSync(this.#notes);
    this.#notes = -1;
  }
}

function readLines(fd: number, onLines: TakeLines): Socket {
  const socket = new Socket({ fd, readable: true, writable: false });
  gatherLines(socket, onLines);
  return socket;
}

/** CPU time of a process so far; 0 if there is none. */
export function cpuMsOf(pid: number): number {
  const stat = readProc(pid, "stat") ?? "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = fields.slice(CPU_TIME_FIELD, CPU_TIME_FIELD + 2);
  return Number(user ?? 0) * TICK_MS + Number(system ?? 0) * TICK_MS;
}

/**
 * When a process started, in the kernel's clock ticks; "" if there is none, or only a zombie; null if that cannot
 * be found out now, because no file can be opened.
 */
export function startTimeOf(pid: number): string | null {
  const stat = readProc(pid, "stat");
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "" : (fields[START_TIME_FIELD] ?? "");
}

function requireStartTime(pid: number): string {
  const startTime = startTimeOf(pid);
  if (startTime === null) throw new Error(`/proc/${pid}/stat cannot be read`);
  return startTime;
}

function catchesSignal(pid: number, signal: number): boolean {
  const [, caught = "0"] = /^SigCgt:\s*([\da-f]+)$/m.exec(readProc(pid, "status") ?? "") ?? [];
  return ((BigInt(`0x${caught}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

/** A file of /proc; "" if the process has ended, null if no file can be opened (EMFILE, ENFILE, ENOMEM). */
function readProc(pid: number, name: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    return code === "ENOENT" || code === "ESRCH" ? "" : null;
  }
}
