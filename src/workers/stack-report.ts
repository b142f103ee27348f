// What the threads of one worker are doing, told for a request past its deadline. The worker tells it
// itself, in Python; where it cannot, because the interpreter's lock is held, a signal makes
// faulthandler write it, without names of requests.
//
//   idle ──ask──▶ asked ──told──▶ idle
//                   └─ 100 ms ─▶ signalled ──quiet for 250 ms──▶ idle

/** A real-time signal that nobody else uses: docs/worker-protocol.md, "Stacks". */
const STACKS_SIGNAL = 40;
/** A worker whose threads run Python tells in a few milliseconds. */
const ANSWER_MS = 100;
/** After so long without a further line the report is whole. */
const QUIET_MS = 250;
/** What is written without end is cut. */
const MAX_LINES = 1000;

/** Gathers the reports of one worker, one at a time. */
export class StackReport {
  readonly #ask: () => void;
  readonly #signal: (signal: number) => void;
  #waiting: ((text: string) => void)[] = [];
  #lines: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isSignalled = false;

  /** `ask` sends STACKS; `signal` reaches the worker whatever it does. */
  constructor(ask: () => void, signal: (signal: number) => void) {
    this.#ask = ask;
    this.#signal = signal;
  }

  /** Calls `onText` once, with "" if nothing can be had. Who asks meanwhile gets the same report. */
  ask(onText: (text: string) => void): void {
    this.#waiting.push(onText);
    if (this.#timer !== null) return;
    this.#isSignalled = false;
    this.#lines = [];
    this.#ask();
    this.#timer = setTimeout(() => this.#onSilence(), ANSWER_MS);
  }

  /** The worker has told it (STACKS_TOLD). */
  tell(text: string): void {
    if (this.#timer !== null && !this.#isSignalled) this.#finish(text);
  }

  /** A line that faulthandler has written. */
  hear(line: string): void {
    if (!this.#isSignalled || this.#timer === null) return;
    if (this.#lines.length < MAX_LINES) this.#lines.push(line);
    this.#timer.refresh();
  }

  /** The worker is gone: tells what there is. */
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
