// The target of a log: standard output, standard error or a file. sonic-boom writes in Node's thread pool,
// so a slow pipe never blocks the event loop. Lines are collected for a moment, so that one write takes
// many. A limited number of bytes may wait; further lines are dropped and counted. A target that is full
// or gone costs log lines, never requests.
//
//   write ──▶ #gathered ──16 KiB or 100 ms──▶ SonicBoom (≤ 4 MiB wait) ──▶ target
//                                                └─ full: dropped, reported when there is room again

import { open, openSync } from "node:fs";

import sonicBoom, { type SonicBoom } from "sonic-boom";

declare module "sonic-boom" {
  interface SonicBoom {
    /** With `contentMode: "buffer"`, which the package's own types do not know. */
    write(bytes: Buffer): boolean;
  }
}

/** Longest time that a line is collected before it is written, ms. */
const GATHER_MS = 100;
/** Collected characters that are written without waiting longer: a quarter of a pipe's usual buffer. */
const GATHER_CHARACTERS = 16_384;
/** Bytes that may wait for a slow target: some 25,000 access lines, or an application's four longest lines. */
export const MAX_WAITING_BYTES = 4_194_304;
/** How long the end of the process waits for a slow target to take the last lines, ms. */
const FLUSH_MS = 1000;
/** Least time between two reports of dropped lines, ms: the reports must not fill the log. */
const REPORT_MS = 1000;
/** A target that takes nothing for so long is not waited for, ms. */
const STUCK_MS = 250;
const LINE_END = 10;
const NOTHING = Buffer.alloc(0);

/** One target of log lines. */
export class Sink {
  /** The path of the file, or "standard output", "standard error". */
  readonly name: string;
  /** Called with the number of dropped lines when there is room again. */
  onDropped: ((lines: number) => void) | null = null;
  /** Called with the error's code (ENOSPC, EPIPE …) when writing fails; once until a write succeeds again. */
  onFailure: ((code: string) => void) | null = null;

  readonly #path: string | null;
  #stream: SonicBoom;
  /** Lines to be written together: text, after the bytes of #pieces. */
  #gathered = "";
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Whether a timer will write the collected lines. */
  #isScheduled = false;
  #dropped = 0;
  /** Bytes that the stream holds, and when it has last written some or was empty. */
  #waitingBytes = 0;
  #progressAt = 0;
  #reportedAt = 0;
  #isFailing = false;
  /** Resolves when the previous file (before the last reopen) has been written and closed. */
  #retired: Promise<void> = Promise.resolve();

  /** `target`: 1, 2 or the path of a file. The file is opened (and created) at once; throws if that fails. */
  constructor(target: 1 | 2 | string) {
    this.#path = typeof target === "string" ? target : null;
    this.name =
      typeof target === "string" ? target : `standard ${target === 1 ? "output" : "error"}`;
    this.#stream = this.#attach(typeof target === "string" ? openSync(target, "a") : target);
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

  #schedule(): void {
    if (this.#gathered.length + this.#pieceBytes >= GATHER_CHARACTERS) {
      this.#pass();
      return;
    }
    // unref: a collected line does not keep the process alive; the end of the process flushes it.
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      this.#pass();
    }, GATHER_MS).unref();
  }

  /** Resolves when all lines are written, at the latest after FLUSH_MS. Never rejects. */
  async flush(): Promise<void> {
    this.#reportDropped(true);
    this.#pass();
    const { promise: deadline, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      process.once("exit", exitPastStuckThread);
      giveUp();
    }, FLUSH_MS);
    const written = new Promise<void>((resolve) => {
      // The callback runs at once if nothing waits, and with an error if the target cannot be written.
      this.#stream.flush(() => resolve());
    });
    await Promise.race([Promise.all([written, this.#retired]), deadline]);
    clearTimeout(timer);
  }

  /** Opens the file again by its path (log rotation); if that fails, writes on to the old file. Does nothing for a pipe. */
  reopen(): void {
    if (this.#path === null) return;
    open(this.#path, "a", (error, fd) => {
      if (error !== null) {
        this.onFailure?.(error.code ?? "UNKNOWN");
        return;
      }
      this.#pass();
      const old = this.#stream;
      this.#stream = this.#attach(fd);
      this.#isFailing = false;
      this.#retired = retire(old);
    });
  }

  #attach(fd: number): SonicBoom {
    const stream = new sonicBoom.SonicBoom({
      fd,
      sync: false,
      contentMode: "buffer",
      maxLength: MAX_WAITING_BYTES,
      maxWrite: 4 * GATHER_CHARACTERS,
    });
    stream.on("drop", (lines: Buffer) => {
      this.#dropped += countLines(lines);
      this.#waitingBytes -= lines.length;
      // sonic-boom retries a failed write with the next write that it accepts. With its memory full it
      // accepts none but an empty one.
      if (this.#isFailing) stream.write(NOTHING);
    });
    this.#waitingBytes = 0;
    stream.on("write", (bytes: number) => {
      this.#waitingBytes = Math.max(0, this.#waitingBytes - bytes);
      this.#progressAt = performance.now();
    });
    stream.on("drain", () => {
      this.#isFailing = false;
      this.#reportDropped(false);
    });
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // Reported once: the report itself goes to a log, perhaps to the one that fails.
      if (!this.#isFailing) this.onFailure?.(error.code ?? "UNKNOWN");
      this.#isFailing = true;
    });
    return stream;
  }

  #pass(): void {
    this.#closeText();
    const pieces = this.#pieces;
    const [first] = pieces;
    if (first === undefined) return;
    const lines = pieces.length === 1 ? first : Buffer.concat(pieces, this.#pieceBytes);
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (this.#waitingBytes === 0) this.#progressAt = performance.now();
    this.#waitingBytes += lines.length;
    this.#stream.write(lines);
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

// At the end of the process Node waits for the threads of its pool, and one of them may be blocked in a
// write for ever. execve(2) ends all threads of the process.
function exitPastStuckThread(code: number): void {
  process.execve?.("/bin/sh", ["sh", "-c", `exit ${code}`], {});
}

// Writes the waiting lines to the old file and closes it, at the latest after FLUSH_MS.
function retire(stream: SonicBoom): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const deadline = setTimeout(() => stream.destroy(), FLUSH_MS).unref();
  stream.once("close", () => {
    clearTimeout(deadline);
    resolve();
  });
  stream.end();
  return promise;
}

function countLines(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(LINE_END); at !== -1; at = text.indexOf(LINE_END, at + 1)) lines += 1;
  return lines;
}
