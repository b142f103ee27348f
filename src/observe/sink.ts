// Where log lines go: standard output, standard error or a file, through sonic-boom, which writes in
// Node's thread pool, so a slow pipe never stops the event loop. Lines are gathered for a moment (one
// write for many), the amount that may wait is bounded, and what does not fit is dropped and counted.
// A target that is full or gone costs lines, never the server.
//
//   write ──▶ #gathered ──16 KiB or 100 ms──▶ SonicBoom (≤ 1 MiB waits) ──▶ target
//                                                └─ full: dropped, told when there is room again

import { open, openSync } from "node:fs";

import sonicBoom, { type SonicBoom } from "sonic-boom";

/** A line waits at most so long before it is written, ms. */
const GATHER_MS = 100;
/** So many characters are written at once without waiting: a quarter of a pipe's usual buffer. */
const GATHER_CHARACTERS = 16_384;
/** What may wait for a slow target. Some 6,000 access lines: a second of a busy server. */
export const MAX_WAITING_BYTES = 1_048_576;
/** How long the end of the process waits for a target that does not take the last lines, ms. */
const FLUSH_MS = 1000;
/** Dropped lines are told at most so often, ms: the telling must not fill the log. */
const TELL_MS = 1000;

/** What a sink has to tell; whoever owns the server's log writes it there. */
export interface SinkListener {
  /** So many lines were dropped; there is room again. */
  onDropped(lines: number): void;
  /** The target refuses (code: ENOSPC, EPIPE …); told once until it takes lines again. */
  onFailure(code: string): void;
}

/** One target of lines. */
export class Sink {
  /** The path of the file, or "standard output", "standard error". */
  readonly name: string;
  listener: SinkListener | null = null;

  readonly #path: string | null;
  #stream: SonicBoom;
  #gathered = "";
  #timer: NodeJS.Timeout | null = null;
  #dropped = 0;
  #toldAt = 0;
  #isFailing = false;
  /** Settled when the file before the last reopen has been written and closed. */
  #retired: Promise<void> = Promise.resolve();

  /** `target`: 1, 2 or the path of a file, which is opened (and made) at once; throws if it cannot. */
  constructor(target: 1 | 2 | string) {
    this.#path = typeof target === "string" ? target : null;
    this.name =
      typeof target === "string" ? target : `standard ${target === 1 ? "output" : "error"}`;
    this.#stream = this.#attach(typeof target === "string" ? openSync(target, "a") : target);
  }

  /** Takes a text of whole lines. */
  write(lines: string): void {
    this.#gathered += lines;
    if (this.#gathered.length >= GATHER_CHARACTERS) {
      this.#pass();
      return;
    }
    // Unreferenced: a gathered line does not keep the process alive; its end flushes.
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#pass();
    }, GATHER_MS).unref();
  }

  /** Resolves when everything is written, or FLUSH_MS later. Never fails. */
  async flush(): Promise<void> {
    this.#tellDropped(true);
    this.#pass();
    const { promise: deadline, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      process.once("exit", exitPastStuckThread);
      giveUp();
    }, FLUSH_MS);
    const written = new Promise<void>((resolve) => {
      // Called at once where nothing waits, and with an error where the target refuses.
      this.#stream.flush(() => resolve());
    });
    await Promise.race([Promise.all([written, this.#retired]), deadline]);
    clearTimeout(timer);
  }

  /** Opens the file anew (log rotation); goes on with the old one if that fails. Pipes stay as they are. */
  reopen(): void {
    if (this.#path === null) return;
    open(this.#path, "a", (error, fd) => {
      if (error !== null) {
        this.listener?.onFailure(error.code ?? "UNKNOWN");
        return;
      }
      this.#pass();
      const old = this.#stream;
      this.#stream = this.#attach(fd);
      this.#isFailing = false;
      this.#retired = retire(old);
    });
  }

  /** Ends a sink that is not needed any more; lines that nobody has flushed are lost. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#gathered = "";
    this.listener = null;
    this.#stream.destroy();
  }

  #attach(fd: number): SonicBoom {
    const stream = new sonicBoom.SonicBoom({
      fd,
      sync: false,
      maxLength: MAX_WAITING_BYTES,
      maxWrite: 4 * GATHER_CHARACTERS,
    });
    stream.on("drop", (lines: string) => {
      this.#dropped += countLines(lines);
      // A write that failed is tried again by the next one that is taken; when the memory is full none is.
      if (this.#isFailing) stream.write("");
    });
    stream.on("drain", () => {
      this.#isFailing = false;
      this.#tellDropped(false);
    });
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // Told once: the report goes to a log that may be the one that fails.
      if (!this.#isFailing) this.listener?.onFailure(error.code ?? "UNKNOWN");
      this.#isFailing = true;
    });
    return stream;
  }

  #pass(): void {
    const lines = this.#gathered;
    this.#gathered = "";
    if (lines !== "") this.#stream.write(lines);
  }

  #tellDropped(isLast: boolean): void {
    const now = Date.now();
    if (this.#dropped === 0 || (!isLast && now - this.#toldAt < TELL_MS)) return;
    const lines = this.#dropped;
    this.#dropped = 0;
    this.#toldAt = now;
    this.listener?.onDropped(lines);
  }
}

// At the end of the process Node waits for the threads of its pool, and one of them stands in a write
// that its target never takes. Another program in place of this one ends all its threads.
function exitPastStuckThread(code: number): void {
  process.execve?.("/bin/sh", ["sh", "-c", `exit ${code}`], {});
}

// What an old file still takes, it gets; if it takes nothing more, it is closed all the same.
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

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}
