// Which requests run a CGI program now, and which wait: first come, first served, over all CGI routes of a server.
// Pure but for one timer, for the request that has waited longest.
//
//   enter ──▶ waiting ──a place is free──▶ begin ──▶ release
//     │          ├── leave: its client has left
//     │          └── queue timeout ──▶ refuse
//     └── the queue is full ──▶ refuse

export interface ProgramQueueLimits {
  /** Programs that run at once. */
  readonly concurrency: number;
  /** Requests that wait for a place. */
  readonly queue: number;
  readonly queueTimeoutMs: number;
}

export type ProgramRefusal = "queue-full" | "queue-timeout";

/** A request that wants to run a program. Gets one call of either method, at most. */
export interface WaitingProgram {
  /** The program has a place, which `ProgramQueue.release` gives back. */
  begin(): void;
  refuse(reason: ProgramRefusal): void;
}

export class ProgramQueue {
  #limits: ProgramQueueLimits;
  readonly #now: () => number;
  #running = 0;
  /** When each came; the oldest first. */
  readonly #waiting = new Map<WaitingProgram, number>();
  #timer: NodeJS.Timeout | null = null;
  #isBeginning = false;

  constructor(limits: ProgramQueueLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A reload may change the limits: requests that wait already stay. */
  change(limits: ProgramQueueLimits): void {
    this.#limits = limits;
    this.#beginWaiting();
  }

  enter(program: WaitingProgram): void {
    const mayBegin = this.#running < this.#limits.concurrency;
    if (!mayBegin && this.#waiting.size >= this.#limits.queue) {
      program.refuse("queue-full");
      return;
    }
    this.#waiting.set(program, this.#now());
    this.#beginWaiting();
    this.#plan();
  }

  /** A request waits no longer, if it did. */
  leave(program: WaitingProgram): void {
    this.#waiting.delete(program);
  }

  /** A program that had a place has ended. */
  release(): void {
    this.#running -= 1;
    this.#beginWaiting();
  }

  /** Refuses the requests that have waited too long. */
  refuseLate(): void {
    const latest = this.#now() - this.#limits.queueTimeoutMs;
    for (const [program, since] of this.#waiting) {
      if (since > latest) break;
      this.#waiting.delete(program);
      program.refuse("queue-timeout");
    }
  }

  // A program that cannot be started gives its place back within `begin`: a loop, and no recursion.
  #beginWaiting(): void {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    try {
      for (const [program] of this.#waiting) {
        if (this.#running >= this.#limits.concurrency) break;
        this.#waiting.delete(program);
        this.#running += 1;
        program.begin();
      }
    } finally {
      this.#isBeginning = false;
    }
  }

  #plan(): void {
    const [oldest] = this.#waiting.values();
    if (this.#timer !== null || oldest === undefined) return;
    // A timer may be early by a part of a millisecond, and refusals take time.
    const ms = Math.max(0, oldest + this.#limits.queueTimeoutMs - this.#now() + 1);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.refuseLate();
      this.#plan();
    }, ms).unref();
  }
}
