// The target of a log: standard output, standard error or a file. Lines are collected for a moment, so that one
// write takes many. A limited number of bytes may wait; further lines are dropped and counted. A target that is
// full or gone costs log lines, never requests, and never more than one thread of Node's pool.
//
//   write ──▶ #gathered ──16 KiB or 100 ms──▶ #queue (≤ 4 MiB) ──▶ target
//                                                └─ full: dropped, reported when there is room again
//
//   idle ──lines──▶ a write to a stream: at once, on this thread; it is non-blocking (log-file.ts)
//     │                └─ EAGAIN or an error ──▶ paused ──1 … 64 ms──▶ again
//     └──lines, a reopen──▶ busy: one write to a disk, or one open, in Node's pool ──▶ idle or paused

import { write, writeSync } from "node:fs";

import {
  closeLogFile,
  openLogFile,
  openLogFileSync,
  openStandardStream,
  type LogFile,
} from "./log-file.ts";

/** Longest time that a line is collected before it is written, ms. */
const GATHER_MS = 100;
/** Collected characters that are written without waiting longer: a quarter of a pipe's usual buffer. */
const GATHER_CHARACTERS = 16_384;
/** Bytes that may wait for a slow target: some 25,000 access lines, or an application's four longest lines. */
export const MAX_WAITING_BYTES = 4_194_304;
/** A write of at most PIPE_BUF bytes goes into a pipe whole or not at all (pipe(7)), so no other writer tears a line. */
const PIPE_BUF = 4096;
/** Most bytes of one write of the pool, and of all writes to a stream in one turn of the event loop. */
const WRITE_BYTES = 65_536;
/** Pause before a target that took nothing is tried again, ms: doubled each time. */
const PAUSE_MS = { least: 1, most: 64 } as const;
/** How long the end of the process waits for a slow target to take the last lines, ms. */
const FLUSH_MS = 1000;
/** Least time between two reports of dropped lines, ms: the reports must not fill the log. */
const REPORT_MS = 1000;
/** A target that takes nothing for so long is not waited for, ms. */
const STUCK_MS = 250;
const LINE_END = 10;

/** What failed: writing lines, or opening the file again. */
export type SinkFailure = "write" | "reopen";

/** One target of log lines. */
export class Sink {
  /** The path of the file, or "standard output", "standard error". */
  readonly name: string;
  /** Called with the number of dropped lines when there is room again. */
  onDropped: ((lines: number) => void) | null = null;
  /** Called with the error's code (ENOSPC, EPIPE …). A failing write is told once until one succeeds again. */
  onFailure: ((code: string, what: SinkFailure) => void) | null = null;

  readonly #path: string | null;
  #file: LogFile;
  /** Lines to be written together: text, after the bytes of #pieces. */
  #gathered = "";
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Whether a timer will write the collected lines. */
  #isScheduled = false;

  /** Lines on their way to the target, their bytes, and when some were last written or none waited. */
  #queue: Buffer[] = [];
  #waitingBytes = 0;
  #progressAt = 0;
  #state: "idle" | "paused" | "busy" = "idle";
  #pause: NodeJS.Timeout | undefined;
  #pauseMs: number = PAUSE_MS.least;
  #isReopenDue = false;
  #isFailing = false;
  /** The last byte written was not a line's end. */
  #isInLine = false;
  #dropped = 0;
  #reportedAt = 0;
  /** Resolves when nothing waits any more, or the target fails; null if nobody asks. */
  #settled: PromiseWithResolvers<void> | null = null;

  /** `target`: 1, 2 or the path of a file. The file is opened (and created) at once; throws if that fails. */
  constructor(target: 1 | 2 | string, file: LogFile = openTarget(target)) {
    const isPath = typeof target === "string";
    this.#path = isPath ? target : null;
    this.name = isPath ? target : `standard ${target === 1 ? "output" : "error"}`;
    this.#file = file;
  }

  /** Takes a text of whole lines. */
  write(lines: string): void {
    this.#gathered += lines;
    this.#schedule();
  }

  /** Takes whole lines, whose memory is the sink's from here on. */
  writeBytes(lines: Buffer): void {
    this.#closeText();
    this.#hold(lines);
    this.#schedule();
  }

  /**
   * Whether whoever writes need not wait: there is room, or the target is stuck and a wait would not end. So a
   * burst is not lost, and a log that nobody reads stops no application.
   */
  get takesMore(): boolean {
    const isCrowded = this.#waitingBytes + this.#pieceBytes > MAX_WAITING_BYTES / 2;
    return !isCrowded || performance.now() - this.#progressAt > STUCK_MS;
  }

  /** Resolves when all lines are written, when the target fails, at the latest after FLUSH_MS. Never rejects. */
  async flush(): Promise<void> {
    this.#reportDropped(true);
    this.#pass();
    this.#settled ??= Promise.withResolvers();
    const { promise } = this.#settled;
    const { promise: deadline, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp, FLUSH_MS);
    this.#advance();
    await Promise.race([promise, deadline]);
    clearTimeout(timer);
  }

  /** Opens the file again by its path (log rotation); if that fails, writes on to the old file. Does nothing for a pipe. */
  reopen(): void {
    if (this.#path === null) return;
    // Lines that came before belong to the old file, if that takes them.
    this.#pass();
    this.#isReopenDue = true;
    this.#advance();
  }

  #schedule(): void {
    if (this.#gathered.length + this.#pieceBytes >= GATHER_CHARACTERS) {
      this.#pass();
      if (this.#state === "idle") this.#advance();
      return;
    }
    // unref: a collected line does not keep the process alive; the end of the process flushes it.
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      this.#pass();
      if (this.#state === "idle") this.#advance();
    }, GATHER_MS).unref();
  }

  /** Moves the collected lines into the queue. */
  #pass(): void {
    this.#closeText();
    const pieces = this.#pieces;
    const [first] = pieces;
    if (first === undefined) return;
    const lines = pieces.length === 1 ? first : Buffer.concat(pieces, this.#pieceBytes);
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (this.#waitingBytes + lines.length > MAX_WAITING_BYTES) {
      this.#dropped += countLines(lines);
      return;
    }
    if (this.#waitingBytes === 0) this.#progressAt = performance.now();
    this.#waitingBytes += lines.length;
    this.#queue.push(lines);
  }

  // Does what is due; ends a pause. A busy sink calls this again.
  #advance(): void {
    if (this.#state === "busy") return;
    clearTimeout(this.#pause);
    this.#state = "idle";
    if (this.#isReopenDue) {
      this.#state = "busy";
      void this.#openAgain().finally(() => this.#continue());
      return;
    }
    const [lines] = this.#queue;
    if (lines === undefined) {
      this.#reportDropped(false);
      this.#settle();
    } else if (this.#file.mayBlock) this.#writeInPool(lines);
    else this.#writeAtOnce();
  }

  #continue(): void {
    this.#state = "idle";
    this.#advance();
  }

  #settle(): void {
    this.#settled?.resolve();
    this.#settled = null;
  }

  #writeInPool(lines: Buffer): void {
    this.#state = "busy";
    write(this.#file.fd, lines, 0, wholeLines(lines, WRITE_BYTES), null, (error, bytes) => {
      this.#state = "idle";
      if (error === null) {
        this.#onWritten(bytes);
        this.#advance();
      } else this.#onRefused(error);
    });
  }

  #writeAtOnce(): void {
    try {
      for (let written = 0; written < WRITE_BYTES;) {
        const [lines] = this.#queue;
        if (lines === undefined) break;
        const bytes = writeSync(this.#file.fd, lines, 0, wholeLines(lines, PIPE_BUF));
        this.#onWritten(bytes);
        written += bytes;
      }
    } catch (error) {
      this.#onRefused(error);
      return;
    }
    // What a turn has left over is for a later turn.
    if (this.#queue.length > 0) this.#rest();
    else this.#advance();
  }

  #onWritten(bytes: number): void {
    const [lines] = this.#queue;
    if (lines === undefined || bytes === 0) return;
    this.#isInLine = lines[bytes - 1] !== LINE_END;
    if (bytes === lines.length) this.#queue.shift();
    else this.#queue[0] = lines.subarray(bytes);
    this.#waitingBytes -= bytes;
    this.#progressAt = performance.now();
    this.#pauseMs = PAUSE_MS.least;
    this.#isFailing = false;
  }

  // A full stream is not a failure. A failure is told once: the report goes to a log, perhaps to the one that fails.
  #onRefused(error: unknown): void {
    this.#rest();
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.most);
    const code = codeOf(error);
    if (code === "EAGAIN") return;
    const wasFailing = this.#isFailing;
    this.#isFailing = true;
    if (!wasFailing) this.onFailure?.(code, "write");
    this.#settle();
  }

  #rest(): void {
    this.#state = "paused";
    this.#pause = setTimeout(() => this.#advance(), this.#pauseMs).unref();
  }

  // Never rejects.
  async #openAgain(): Promise<void> {
    this.#isReopenDue = false;
    try {
      const old = this.#file;
      this.#file = await openLogFile(this.#path ?? "");
      this.#isFailing = false;
      this.#pauseMs = PAUSE_MS.least;
      this.#skipRestOfLine();
      await closeLogFile(old.fd);
    } catch (error) {
      this.onFailure?.(codeOf(error), "reopen");
    }
  }

  // The old file has the beginning of the line; its rest would be a false line of the new file.
  #skipRestOfLine(): void {
    const [lines] = this.#queue;
    if (!this.#isInLine || lines === undefined) return;
    const end = lines.indexOf(LINE_END) + 1;
    this.#onWritten(end === 0 ? lines.length : end);
    this.#dropped += 1;
  }

  #closeText(): void {
    if (this.#gathered === "") return;
    this.#hold(Buffer.from(this.#gathered));
    this.#gathered = "";
  }

  #hold(lines: Buffer): void {
    this.#pieces.push(lines);
    this.#pieceBytes += lines.length;
  }

  #reportDropped(isLast: boolean): void {
    const now = Date.now();
    if (this.#dropped === 0 || (!isLast && now - this.#reportedAt < REPORT_MS)) return;
    const lines = this.#dropped;
    this.#dropped = 0;
    this.#reportedAt = now;
    this.onDropped?.(lines);
  }
}

function openTarget(target: 1 | 2 | string): LogFile {
  return typeof target === "string" ? openLogFileSync(target) : openStandardStream(target);
}

/** Bytes of as many whole lines as fit into `most`; of a longer line as much as one write may take. */
function wholeLines(lines: Buffer, most: number): number {
  if (lines.length <= most) return lines.length;
  const whole = lines.lastIndexOf(LINE_END, most - 1) + 1;
  return whole > 0 ? whole : Math.min(lines.indexOf(LINE_END) + 1 || lines.length, WRITE_BYTES);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN";
}

function countLines(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(LINE_END); at !== -1; at = text.indexOf(LINE_END, at + 1)) lines += 1;
  return lines;
}
