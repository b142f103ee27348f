// The stacks of a worker's threads, read for a request past its deadline. The worker writes them itself, in
// Python; where it cannot, because a thread holds the interpreter's lock, a signal makes faulthandler
// write them, without the names of requests.
//
//   idle ──ask──▶ asked ──told──▶ idle
//                   └─ 100 ms ─▶ signalled ──quiet for 250 ms──▶ idle

/** A real-time signal without another use: docs/worker-protocol.md, "Stacks". */
const STACKS_SIGNAL = 40;
/** A worker whose threads run Python answers within a few milliseconds. */
const ANSWER_MS = 100;
/** After so long without a further line faulthandler's report is whole. */
const QUIET_MS = 250;
/** Lines of one report; more are dropped. */
const MAX_LINES = 1000;

/** Reads the stacks of one worker, one report at a time. */
export class StackReport {
  readonly #ask: () => void;
  readonly #signal: (signal: number) => void;
  #waiting: ((text: string) => void)[] = [];
  #lines: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isSignalled = false;

  /** `ask` sends STACKS; `signal` signals the process, which works while the lock is held. */
  constructor(ask: () => void, signal: (signal: number) => void) {
    this.#ask = ask;
    this.#signal = signal;
  }

  /** Calls `onText` once, with "" if there are no stacks. Calls during one report share that report. */
  ask(onText: (text: string) => void): void {
    this.#waiting.push(onText);
    if (this.#timer !== null) return;
    this.#isSignalled = false;
    this.#lines = [];
    this.#ask();
    this.#timer = setTimeout(() => this.#onSilence(), ANSWER_MS);
  }

  /** The worker has sent its stacks (STACKS_TOLD). */
  tell(text: string): void {
    if (this.#timer !== null && !this.#isSignalled) this.#finish(text);
  }

  /** A line that faulthandler has written. */
  addLine(line: string): void {
    if (!this.#isSignalled || this.#timer === null) return;
    if (this.#lines.length < MAX_LINES) this.#lines.push(line);
    this.#timer.refresh();
  }

  /** The worker is gone: ends the report with the lines there are. */
  close(): void {
    if (this.#timer !== null) this.#finish(this.#lines.join("\n"));
  }

  #onSilence(): void {
    if (this.#isSignalled) {
      this.#finish(this.#lines.join("\n"));
      return;
    }
    this.#isSignalled = true;
    this.#signal(STACKS_SIGNAL);
    this.#timer = setTimeout(() => this.#onSilence(), QUIET_MS);
  }

  #finish(text: string): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const onText of waiting) onText(text);
  }
}
