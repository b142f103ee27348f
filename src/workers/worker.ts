// One worker: the state machine of a Python process. The process itself is behind WorkerPort
// (worker-process.ts); worker-set.ts decides which worker is replaced and when. Pure.
//
//   starting ──READY──▶ loaded ──TAKE──▶ taking ──STOP──▶ draining
//      └─────────┴──────────┴──────────────┴──▶ ended ◀──────┘    (when the process is gone, never at EOF)
//
// A worker that will be replaced goes on taking requests until its successor is ready.

import { FrameType } from "./frame.ts";
import type { Place } from "./place.ts";
import { LoopWatch } from "./loop-watch.ts";
import type { Note } from "./page.ts";
import type { WorkerPort } from "./worker-process.ts";

export type WorkerState = "starting" | "loaded" | "taking" | "draining" | "ended";

/** The interface of the application, as the worker has found it. */
export type PythonInterface = "wsgi" | "asgi";

/** Why an application did not load, as the worker's FAILED frame says. */
export interface LoadFailure {
  readonly kind: string;
  readonly text: string;
  /** The same as a page, in development. */
  readonly page?: string | undefined;
}

/** How a worker's process ended. Null: code or signal is unknown, or does not apply. */
export interface WorkerEnd {
  readonly worker: number;
  readonly code: number | null;
  readonly signal: number | null;
  /** In bytes. */
  readonly peakRss: number;
}

/** Lines of standard error that are kept for the log line about a worker's end. */
const STDERR_TAIL_LINES = 10;
const STDERR_TAIL_BYTES = 8192;

export class Worker {
  readonly number: number;
  /** Counts the loads of the application's code; workers of one load have the same generation. */
  readonly generation: number;
  /** CLOCK_MONOTONIC milliseconds, like all points in time in this class. */
  readonly startedAt: number;
  /** The number of requests after which the worker is replaced; Infinity: never. */
  readonly maxRequests: number;
  state: WorkerState = "starting";
  /** When READY came; 0 before. */
  readyAt = 0;
  interface: PythonInterface | "" = "";
  /** Why the application needs a single process; "" if nothing says so. */
  single = "";
  /** Functions that a process of their own calls when this worker has ended, as "module:name". */
  exitHooks: readonly string[] = [];
  /** The folders of its generation; null before its start. */
  place: Place | null = null;
  /** Slots of the notes in use: one for each thread, under ASGI one for each request that may run at once. */
  slots = 0;
  /** Accepted WebSockets of ASGI, of which no note tells. */
  webSockets = 0;
  /** Null until the launcher has forked the process. */
  process: WorkerPort | null = null;
  /** Why the worker will be replaced; null: it will not be. */
  leaving: string | null = null;
  failure: LoadFailure | null = null;
  /** How the worker broke the protocol, for which it is killed; null: it did not. */
  fault: string | null = null;
  /** When the worker is killed, unless it has ended before. */
  killAt = Infinity;
  /** Running requests past their deadline, by id, with the time when each was found to be late. */
  readonly overdue = new Map<number, number>();
  /** The number of requests that the worker has finished. */
  served = 0;
  /** Whether the event loop still runs (ASGI). */
  readonly loop = new LoopWatch();
  #stderrTail = Buffer.alloc(0);
  isOrphan = false;
  /** How the process ended. Until `reapAt`, the channel may still bring last frames. */
  end: WorkerEnd | null = null;
  reapAt = Infinity;

  constructor(place: Pick<Worker, "number" | "generation" | "startedAt" | "maxRequests">) {
    this.number = place.number;
    this.generation = place.generation;
    this.startedAt = place.startedAt;
    this.maxRequests = place.maxRequests;
  }

  /** Whether READY has come. */
  get hasLoaded(): boolean {
    return this.interface !== "";
  }

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Whether the worker takes or will take requests, and will not be replaced. */
  get isStaying(): boolean {
    return this.state !== "draining" && this.state !== "ended" && this.leaving === null;
  }

  /** The worker has sent READY. */
  load(now: number): void {
    this.state = "loaded";
    this.readyAt = now;
  }

  /** Tells the worker to take requests. */
  take(): void {
    if (this.state !== "loaded") return;
    this.state = "taking";
    this.say(FrameType.TAKE);
  }

  /**
   * Tells the worker to take no more requests, finish the running ones and exit, and how long it has: it is
   * killed at `killAt`.
   */
  drain(killAt: number, now: number): void {
    this.killAt = Math.min(this.killAt, killAt);
    if (this.state === "draining" || this.state === "ended") return;
    this.state = "draining";
    this.say(FrameType.STOP, killAt === Infinity ? 0 : Math.max(1, Math.trunc(killAt - now)));
  }

  /** The launcher has died: the front itself detects this worker's end, and another worker replaces it. */
  orphan(): void {
    this.isOrphan = true;
    this.leaving ??= "its launcher ended";
    this.process?.orphan();
  }

  /** The process has ended, or counts as ended. */
  finish(): void {
    this.state = "ended";
    this.process?.close();
  }

  say(type: number, id = 0): void {
    this.process?.say(type, id);
  }

  /** Keeps the end of what the process has written to standard error. */
  keepErrors(lines: Buffer): void {
    const all = lines.length < STDERR_TAIL_BYTES ? [this.#stderrTail, lines] : [lines];
    this.#stderrTail = Buffer.concat(all).subarray(-STDERR_TAIL_BYTES);
  }

  /** The last lines of standard error. */
  get lastErrorLines(): string {
    const lines = this.#stderrTail.toString("utf8").trimEnd().split("\n");
    return lines.slice(-STDERR_TAIL_LINES).join("\n");
  }

  /** The requests that the worker has taken and not finished, from its notes; no accepted WebSockets of ASGI. */
  readNotes(): Note[] {
    return this.process?.readNotes(this.slots) ?? [];
  }

  /** Forgets overdue requests that have ended. Returns when the first of the rest became overdue, or Infinity. */
  overdueSince(): number {
    const noted = new Set(this.readNotes().map(({ id }) => id));
    for (const id of this.overdue.keys()) if (!noted.has(id)) this.overdue.delete(id);
    return Math.min(...this.overdue.values());
  }

  /** Whether the worker runs nothing but requests past their deadline. */
  hasOnlyOverdue(): boolean {
    return this.webSockets === 0 && this.readNotes().every(({ id }) => this.overdue.has(id));
  }
}
