// One worker as the pool sees it: the state machine of a Python process. The process itself is behind
// WorkerPort (worker-process.ts); which worker is replaced when is decided in worker-set.ts. Pure.
//
//   starting ──READY──▶ loaded ──TAKE──▶ taking ──STOP──▶ draining
//      └─────────┴──────────┴──────────────┴──▶ ended ◀──────┘    (when the process is gone, never at EOF)
//
// A worker that is to leave goes on taking until another worker is ready in its place.

import { FrameType } from "./frame.ts";
import type { Note } from "./page.ts";
import type { WorkerPort } from "./worker-process.ts";

export type WorkerState = "starting" | "loaded" | "taking" | "draining" | "ended";

/** The interface that a worker has found its application to speak. */
export type PythonInterface = "wsgi" | "asgi";

/** Why an application did not load, as the worker's FAILED frame says. */
export interface LoadFailure {
  readonly kind: string;
  readonly text: string;
}

/** How a worker's process ended. Code and signal are null where nothing is known. */
export interface WorkerEnd {
  readonly worker: number;
  readonly code: number | null;
  readonly signal: number | null;
  /** Bytes. */
  readonly peakRss: number;
}

/** Lines of standard error that are kept for the log line about a worker's end. */
const STDERR_TAIL_LINES = 10;

export class Worker {
  readonly number: number;
  /** Counts the loads of the application's code; workers of one load have the same generation. */
  readonly generation: number;
  /** CLOCK_MONOTONIC seconds, as all times here. */
  readonly startedAt: number;
  /** After so many requests the worker is to be replaced; Infinity: never. */
  readonly maxRequests: number;
  state: WorkerState = "starting";
  /** When READY came; 0 before. */
  readyAt = 0;
  interface: PythonInterface | "" = "";
  /** Slots of the notes that are in use: one a thread, under ASGI one a request that may run. */
  slots = 0;
  /** Null until the launcher has forked the process. */
  process: WorkerPort | null = null;
  /** Why the worker is to be replaced; null: it stays. */
  leaving: string | null = null;
  failure: LoadFailure | null = null;
  /** When the worker is killed if it still runs. */
  killAt = Infinity;
  /** Requests past their deadline that the worker still runs, and since when they are. */
  readonly overdue = new Map<number, number>();
  /** Requests that the worker has ended. */
  served = 0;
  /** The last lines of standard error. */
  readonly stderrTail: string[] = [];
  isOrphan = false;
  /** The end of the process, while the channel is read for the last frames, at most until `reapAt`. */
  end: WorkerEnd | null = null;
  reapAt = Infinity;

  constructor(place: Pick<Worker, "number" | "generation" | "startedAt" | "maxRequests">) {
    this.number = place.number;
    this.generation = place.generation;
    this.startedAt = place.startedAt;
    this.maxRequests = place.maxRequests;
  }

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Whether the worker takes requests or will, and none is to take its place. */
  get isStaying(): boolean {
    return this.state !== "draining" && this.state !== "ended" && this.leaving === null;
  }

  /** READY has come. */
  load(now: number): void {
    this.state = "loaded";
    this.readyAt = now;
  }

  /** Takes requests from here on. */
  take(): void {
    if (this.state !== "loaded") return;
    this.state = "taking";
    this.say(FrameType.TAKE);
  }

  /** Stops taking, finishes what runs and exits by itself; killed at `killAt`. */
  drain(killAt: number): void {
    this.killAt = Math.min(this.killAt, killAt);
    if (this.state === "draining" || this.state === "ended") return;
    this.state = "draining";
    this.say(FrameType.STOP);
  }

  /** The launcher has died: the front sees this worker's end, and another is to take its place. */
  orphan(): void {
    this.isOrphan = true;
    this.leaving ??= "its launcher ended";
    this.process?.orphan();
  }

  /** The process is gone, or is counted as gone. */
  finish(): void {
    this.state = "ended";
    this.process?.close();
  }

  say(type: number, id = 0): void {
    this.process?.say(type, id);
  }

  socketPath(id: number): string {
    return this.process?.socketPath(id) ?? "";
  }

  keepErrorLine(line: string): void {
    this.stderrTail.push(line);
    if (this.stderrTail.length > STDERR_TAIL_LINES) this.stderrTail.shift();
  }

  /** The requests that the worker has taken and not finished, as it noted them. */
  readNotes(): Note[] {
    return this.process?.readNotes(this.slots) ?? [];
  }

  /** Forgets overdue requests that have ended; since when the longest of the others is overdue, or Infinity. */
  overdueSince(): number {
    const noted = new Set(this.readNotes().map(({ id }) => id));
    for (const id of this.overdue.keys()) if (!noted.has(id)) this.overdue.delete(id);
    return Math.min(...this.overdue.values());
  }

  /** Whether the worker runs nothing but requests past their deadline. */
  hasOnlyOverdue(): boolean {
    return this.readNotes().every(({ id }) => this.overdue.has(id));
  }
}
