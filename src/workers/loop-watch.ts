// Whether the event loop of an ASGI worker still runs. The front asks the loop from time to time, and the loop
// itself answers. A loop that an application keeps for longer than --loop-timeout is reported and interrupted,
// and a second later its worker is replaced. Pure: callers give the time as `now`.
//
//   idle ──ask──▶ asked ──answer──▶ idle
//                   └─ timeout ──▶ blocked ──answer──▶ idle
//                                     └─ 1 s ──▶ lost

/** Longest time between an answer and the next question: an idle worker wakes as often. */
const MAX_IDLE_MS = 5000;
/** The parts of the timeout between two questions: a report is late by at most such a part. */
const PARTS = 4;
/** Time for the loop to come back after it was interrupted. */
const BLOCKED_GRACE_MS = 1000;
/** After a longer pause between two looks the front itself was stopped: the answers have yet to be read. */
const MAX_TICK_MS = 1000;

/** What is to be done now: ask the loop; report and interrupt it; replace the worker. */
export type LoopStep = "none" | "ask" | "interrupt" | "replace";

export class LoopWatch {
  #state: "idle" | "asked" | "blocked" | "lost" = "idle";
  /** When the state began. */
  #since = 0;
  #lastTick = 0;
  /** How long the loop had not answered when that was reported. */
  blockedMs = 0;

  /** Whether the loop has not come back, so that the worker is replaced. */
  get isLost(): boolean {
    return this.#state === "lost";
  }

  /** The loop has answered. */
  answered(now: number): void {
    if (this.#state !== "lost") this.#enter("idle", now);
  }

  /** To be called at each tick while the worker takes requests. */
  tick(now: number, timeoutMs: number): LoopStep {
    const pauseMs = now - this.#lastTick;
    this.#lastTick = now;
    // The first tick is such a pause too: the worker has just begun to take requests.
    if (pauseMs > MAX_TICK_MS) this.#since = Math.min(this.#since + pauseMs, now);
    const ms = now - this.#since;
    switch (this.#state) {
      case "idle":
        return ms < Math.min(MAX_IDLE_MS, timeoutMs / PARTS) ? "none" : this.#enter("asked", now);
      case "asked":
        if (ms < timeoutMs) return "none";
        this.blockedMs = ms;
        return this.#enter("blocked", now);
      case "blocked":
        return ms < BLOCKED_GRACE_MS ? "none" : this.#enter("lost", now);
      case "lost":
        return "none";
      default:
        return this.#state satisfies never;
    }
  }

  #enter(state: "idle" | "asked" | "blocked" | "lost", now: number): LoopStep {
    this.#state = state;
    this.#since = now;
    return STEPS[state];
  }
}

const STEPS = { idle: "none", asked: "ask", blocked: "interrupt", lost: "replace" } as const;
