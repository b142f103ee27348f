// One worker seen from the front: the state machine of one Python process, its channel, its notes and
// its output. What its frames mean for requests, and who replaces it, is the pool's.
//
//   starting ──READY──▶ loaded ──TAKE──▶ taking ──STOP──▶ draining
//      └─────────┴──────────┴──────────────┴─── ended ───────┘      (from the launcher, never from EOF)

import { closeSync, constants, openSync, readSync, unlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";

import { Channel, type ChannelListener } from "./channel.ts";
import { readFifo } from "./output.ts";
import { FrameType } from "./frame.ts";
import { decodeNotes, SLOT_BYTES, type Note } from "./page.ts";

export type WorkerState = "starting" | "loaded" | "taking" | "draining" | "ended";

/** Why an application did not load, as the worker tells it (FAILED). */
export interface LoadFailure {
  readonly kind: string;
  readonly text: string;
}

export class Worker {
  readonly number: number;
  readonly threads: number;
  state: WorkerState = "starting";
  pid = 0;
  /** CLOCK_MONOTONIC seconds. */
  readonly startedAt: number;
  readyAt = 0;
  channel: Channel | null = null;
  failure: LoadFailure | null = null;
  /** When the pool kills it if it still runs, CLOCK_MONOTONIC seconds; Infinity: never. */
  killAt = Infinity;
  /** Ids that ran past their deadline here: the reason for its retirement. */
  readonly overdue = new Set<number>();
  #notes = -1;
  #outputs: Socket[] = [];

  constructor(number: number, threads: number, startedAt: number) {
    this.number = number;
    this.threads = threads;
    this.startedAt = startedAt;
  }

  /** The launcher has forked it: opens its notes, its output and its channel in `directory`. */
  open(
    directory: string,
    pid: number,
    listener: ChannelListener,
    onLine: (stream: "stdout" | "stderr", line: string) => void,
  ): void {
    this.pid = pid;
    const base = join(directory, `w${this.number}`);
    this.channel = new Channel(`${base}.channel`, listener);
    this.#notes = openSync(`${base}.notes`, constants.O_RDONLY);
    unlinkSync(`${base}.notes`);
    this.#outputs = [
      readFifo(`${base}.out`, (line) => onLine("stdout", line)),
      readFifo(`${base}.err`, (line) => onLine("stderr", line)),
    ];
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

  /** The requests that it has taken and not finished, as it noted them. */
  readNotes(): Note[] {
    if (this.#notes < 0) return [];
    const notes = Buffer.alloc(this.threads * SLOT_BYTES);
    const read = readSync(this.#notes, notes, 0, notes.length, 0);
    return decodeNotes(notes.subarray(0, read));
  }

  /** Whether nothing is left in it but requests past their deadline, if there were any. */
  hasOnlyOverdue(): boolean {
    return this.overdue.size === 0 || this.readNotes().every(({ id }) => this.overdue.has(id));
  }

  /** It is gone. The output ends by itself: children of the application may still write. */
  end(): void {
    this.state = "ended";
    for (const output of this.#outputs) output.unref();
    this.channel?.destroy();
    if (this.#notes >= 0) closeSync(this.#notes);
    this.#notes = -1;
  }
}
