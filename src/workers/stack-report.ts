// The stacks of a worker's threads, read for a request past its deadline. The worker writes them itself, in
// Python; where it cannot, because a thread holds the interpreter's lock, a signal makes faulthandler
// write them, without the names of requests.
//
//   idle ──ask──▶ asked ──told──▶ idle
//     │             └─ 100 ms ─▶ signalled ──quiet for 250 ms──▶ idle
//     └──────askBySignal───────────▲

/** A real-time signal without another use: docs/worker-protocol.md, "Stacks". */
export const STACKS_SIGNAL = 40;
/** A worker whose threads run Python answers within a few milliseconds. */
const ANSWER_MS = 100;
/** After so long without a further line faulthandler's report is whole. */
const QUIET_MS = 250;
/** Lines of one report; more are dropped. */
const MAX_LINES = 1000;

interface Question {
  /** The request whose stack comes first; 0: that of no request. */
  readonly id: number;
  readonly onText: (text: string) => void;
}

/** Reads the stacks of one worker: a report for each late request, or faulthandler's one for all of them. */
export class StackReport {
  readonly #ask: (id: number) => void;
  readonly #signal: (signal: number) => void;
  #waiting: readonly Question[] = [];
  #lines: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isSignalled = false;

  /** `ask` sends STACKS; `signal` signals the process, which works while the lock is held. */
  constructor(ask: (id: number) => void, signal: (signal: number) => void) {
    this.#ask = ask;
    this.#signal = signal;
  }

  /** Calls `onText` once, with "" if there are no stacks. */
  ask(id: number, onText: (text: string) => void): void {
    this.#waiting = [...this.#waiting, { id, onText }];
    if (this.#timer === null) {
      this.#isSignalled = false;
      this.#lines = [];
      this.#timer = setTimeout(() => this.#onSilence(), ANSWER_MS);
    }
    if (!this.#isSignalled) this.#ask(id);
  }

  /** The same for a worker that loads the application, and answers nothing: faulthandler's report. */
  askBySignal(onText: (text: string) => void): void {
    this.#waiting = [...this.#waiting, { id: 0, onText }];
    if (this.#timer !== null) return;
    this.#lines = [];
    this.#beginSignalled();
  }

  /** The worker has sent its stacks for the request `id` (STACKS_TOLD). */
  tell(id: number, text: string): void {
    if (!this.#isSignalled) this.#finish(text, (question) => question.id === id);
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
    this.#beginSignalled();
  }

  #beginSignalled(): void {
    this.#isSignalled = true;
    this.#signal(STACKS_SIGNAL);
    this.#timer = setTimeout(() => this.#onSilence(), QUIET_MS);
  }

  #finish(text: string, isTold: (question: Question) => boolean = () => true): void {
    const told = this.#waiting.filter(isTold);
    this.#waiting = this.#waiting.filter((question) => !told.includes(question));
    if (this.#timer !== null) clearTimeout(this.#timer);
    // The worker has just answered, so that the others may still be told.
    this.#timer = this.#waiting.length > 0 ? setTimeout(() => this.#onSilence(), ANSWER_MS) : null;
    for (const { onText } of told) onText(text);
  }
}
