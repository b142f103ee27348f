// One worker seen from the front: the state machine of one Python process, its channel, its notes and
// its output. What its frames mean for requests, and who replaces it, is the pool's.
//
//   starting ──READY──▶ loaded ──TAKE──▶ taking ──STOP──▶ draining
//      └─────────┴──────────┴──────────────┴─── ended ───────┘      (from the launcher, never from EOF)
//
// One that is to leave goes on taking until another is ready in its place.

import { closeSync, constants, openSync, readSync, unlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";

import { Channel, type ChannelListener } from "./channel.ts";
import { readFifo } from "./output.ts";
import { startTimeOf } from "./process-identity.ts";
import { StackReport } from "./stack-report.ts";
import { FrameType } from "./frame.ts";
import { decodeNotes, SLOT_BYTES, type Note } from "./page.ts";

export type WorkerState = "starting" | "loaded" | "taking" | "draining" | "ended";

/** Why an application did not load, as the worker tells it (FAILED). */
export interface LoadFailure {
  readonly kind: string;
  readonly text: string;
}

/** Lines of standard error that are kept to tell what a worker said last. */
const LAST_WORDS = 10;

export interface WorkerOptions {
  readonly number: number;
  readonly threads: number;
  readonly generation: number;
  /** CLOCK_MONOTONIC seconds. */
  readonly startedAt: number;
  /** Infinity: no limit. */
  readonly maxRequests: number;
}

/** What a worker's surroundings do for it. */
export interface WorkerPlace {
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void;
  readonly signal: (signal: number) => void;
}

export class Worker {
  readonly number: number;
  /** Slots of its notes: one a thread, under ASGI one a request that it may run. */
  slots: number;
  /** Counts the loads of the application's code; workers of one load have the same. */
  readonly generation: number;
  state: WorkerState = "starting";
  /** Why it is to be replaced; null: it stays. */
  leaving: string | null = null;
  pid = 0;
  /** CLOCK_MONOTONIC seconds. */
  readonly startedAt: number;
  readyAt = 0;
  channel: Channel | null = null;
  failure: LoadFailure | null = null;
  /** When the pool kills it if it still runs, CLOCK_MONOTONIC seconds; Infinity: never. */
  killAt = Infinity;
  /** Requests past their deadline that it has not come back from, and since when, seconds. */
  readonly overdue = new Map<number, number>();
  /** Requests that it has ended. */
  served = 0;
  /** After so many it is to be replaced. */
  readonly maxRequests: number;
  /** What it wrote last to standard error. */
  readonly lastWords: string[] = [];
  stacks: StackReport | null = null;
  isOrphan = false;
  #startTime = "";
  /** Path of its files in the directory of its station, but for the names' ends. */
  #base = "";
  #notes = -1;
  #outputs: Socket[] = [];

  constructor(options: WorkerOptions) {
    this.number = options.number;
    this.slots = options.threads;
    this.generation = options.generation;
    this.startedAt = options.startedAt;
    this.maxRequests = options.maxRequests;
  }

  /** Whether it takes, or will, and nobody is to take its place. */
  get isStaying(): boolean {
    return this.state !== "draining" && this.state !== "ended" && this.leaving === null;
  }

  /** The launcher has forked it: opens its notes, its output and its channel in `directory`. */
  open(
    directory: string,
    pid: number,
    listener: ChannelListener,
    { onLine, signal }: WorkerPlace,
  ): void {
    this.pid = pid;
    this.#startTime = startTimeOf(pid);
    const base = join(directory, `w${this.number}`);
    this.#base = base;
    this.channel = new Channel(`${base}.channel`, listener);
    this.#notes = openSync(`${base}.notes`, constants.O_RDONLY);
    unlinkSync(`${base}.notes`);
    this.#outputs = [
      readFifo(`${base}.out`, (line) => onLine("stdout", line)),
      readFifo(`${base}.err`, (line) => {
        this.lastWords.push(line);
        if (this.lastWords.length > LAST_WORDS) this.lastWords.shift();
        onLine("stderr", line);
      }),
      readFifo(`${base}.stacks`, (line) => this.stacks?.hear(line)),
    ];
    this.stacks = new StackReport(() => this.channel?.say(FrameType.STACKS), signal);
  }

  /** Where it listens when it offers an application a socket for the request `id`. */
  socketPath(id: number): string {
    return `${this.#base}.${id}.socket`;
  }

  /** READY has come. */
  load(now: number): void {
    this.state = "loaded";
    this.readyAt = now;
  }

  take(): void {
    if (this.state !== "loaded") return;
    this.state = "taking";
    this.channel?.say(FrameType.TAKE);
  }

  /** Stops taking, finishes what runs, exits by itself; killed at `killAt`. */
  drain(killAt: number): void {
    this.killAt = Math.min(this.killAt, killAt);
    if (this.state === "draining" || this.state === "ended") return;
    this.state = "draining";
    this.channel?.say(FrameType.STOP);
  }

  /** Its launcher has died: from here on its end is seen by us, and another is to take its place. */
  orphan(): void {
    this.isOrphan = true;
    this.leaving ??= "its launcher ended";
  }

  /** Whether an orphan's process is no more. */
  isGone(): boolean {
    return startTimeOf(this.pid) !== this.#startTime;
  }

  /** Signals an orphan, if it is still there. */
  signalOrphan(signal: number): void {
    if (this.isGone()) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It went at this moment; isGone() will tell.
    }
  }

  /** The requests that it has taken and not finished, as it noted them. */
  readNotes(): Note[] {
    if (this.#notes < 0) return [];
    const notes = Buffer.alloc(this.slots * SLOT_BYTES);
    const read = readSync(this.#notes, notes, 0, notes.length, 0);
    return decodeNotes(notes.subarray(0, read));
  }

  /** Forgets the late requests that it has come back from; returns those that it still runs. */
  stillOverdue(): readonly number[] {
    const noted = new Set(this.readNotes().map(({ id }) => id));
    for (const id of this.overdue.keys()) if (!noted.has(id)) this.overdue.delete(id);
    return [...this.overdue.keys()];
  }

  /** Whether nothing is left in it but requests past their deadline. */
  hasOnlyOverdue(): boolean {
    return this.readNotes().every(({ id }) => this.overdue.has(id));
  }

  /** It is gone. The output ends by itself: children of the application may still write. */
  end(): void {
    this.state = "ended";
    this.stacks?.close();
    for (const output of this.#outputs) output.unref();
    this.channel?.destroy();
    if (this.#notes >= 0) closeSync(this.#notes);
    this.#notes = -1;
  }
}
