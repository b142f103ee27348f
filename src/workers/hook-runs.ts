// Calls of an application's functions outside of its workers, each in a short-lived process that the launcher
// forks: what is to happen when a worker has ended, and the hooks of gunicorn's main process. Decides how many run
// at once, how long, and what becomes of those that nobody can run. Pure: callers give the time as `now`, and
// processes are behind HookPort.
//
//   run ──▶ waiting ──a place is free, a launcher runs──▶ running ──it has ended──▶ done, failed
//              │                                             ├──HOOK_MS are over──▶ late (killed)
//              └────────────give up, too many wait───────────┴──its launcher ended─▶ lost

import type { Place } from "./place.ts";

/** Calls that run at once. */
export const MAX_RUNNING_HOOKS = 4;
/** Calls that wait for a place, or for a launcher. More workers than this never end in one moment. */
export const MAX_WAITING_HOOKS = 1024;
/** How long a call may take. prometheus_client's mark_process_dead takes 0.1 s with its import. */
export const HOOK_MS = 10_000;
/** How long a stopping application waits for calls at least, also where its workers have used up the grace. */
export const LEAST_HOOK_MS = 2000;

/** One call: functions of an application, and what it is about. */
export interface HookCall {
  /** "module:name", or the name of a hook of gunicorn.conf.py. */
  readonly functions: readonly string[];
  /** The worker that has ended and its process id; both 0 where the call is about none. */
  readonly worker: number;
  readonly pid: number;
  readonly place: Place;
}

/** "done": all functions have returned. "late": killed after HOOK_MS. "lost": never run, or its launcher ended. */
export type HookOutcome = "done" | "failed" | "late" | "lost";

/** The launcher's side. */
export interface HookPort {
  /** Starts a process; false: no launcher runs. */
  start(id: number, call: HookCall): boolean;
  /** Kills it. */
  end(id: number): void;
}

interface Run {
  readonly call: HookCall;
  readonly settle: (outcome: HookOutcome, text: string) => void;
  /** When it is killed. */
  endAt: number;
  isLate: boolean;
}

export class HookRuns {
  readonly #port: HookPort;
  readonly #onEnd: (call: HookCall, outcome: HookOutcome, text: string) => void;
  readonly #waiting: Run[] = [];
  readonly #running = new Map<number, Run>();
  #lastId = 0;

  /** `onEnd`: a call has ended; `text` is what its process has printed. */
  constructor(port: HookPort, onEnd: (call: HookCall, outcome: HookOutcome, text: string) => void) {
    this.#port = port;
    this.#onEnd = onEnd;
  }

  /** Whether no call waits or runs. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#running.size === 0;
  }

  /** Resolves with the outcome, and with what the process has printed. */
  run(call: HookCall, now: number): Promise<readonly [HookOutcome, text: string]> {
    const { promise, resolve } = Promise.withResolvers<readonly [HookOutcome, string]>();
    const settle = (outcome: HookOutcome, text: string): void => {
      this.#onEnd(call, outcome, text);
      resolve([outcome, text]);
    };
    if (this.#waiting.length >= MAX_WAITING_HOOKS)
      settle("lost", `more than ${MAX_WAITING_HOOKS} calls wait`);
    else this.#waiting.push({ call, settle, endAt: Infinity, isLate: false });
    this.resume(now);
    return promise;
  }

  /** Starts what waits: a launcher runs, or a call has ended. */
  resume(now: number): void {
    while (this.#running.size < MAX_RUNNING_HOOKS) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#port.start(this.#lastId + 1, next.call)) return;
      this.#lastId += 1;
      this.#waiting.shift();
      next.endAt = now + HOOK_MS;
      this.#running.set(this.#lastId, next);
    }
  }

  /** The process of a call has ended; `isDone`: all functions have returned. */
  ended(id: number, isDone: boolean, text: string, now: number): void {
    const run = this.#running.get(id);
    if (run === undefined) return;
    this.#running.delete(id);
    this.resume(now);
    if (run.isLate) run.settle("late", text);
    else run.settle(isDone ? "done" : "failed", text);
  }

  /** The launcher has ended, and nobody will tell how its calls end; those that wait go to the next one. */
  launcherEnded(): void {
    const all = [...this.#running.values()];
    this.#running.clear();
    this.#lose(all, "its launcher ended");
  }

  /** Nothing is waited for any more. */
  giveUp(): void {
    for (const id of this.#running.keys()) this.#port.end(id);
    const all = [...this.#running.values(), ...this.#waiting.splice(0)];
    this.#running.clear();
    this.#lose(all, "the application stops");
  }

  tick(now: number): void {
    for (const [id, run] of this.#running) {
      if (now < run.endAt || run.isLate) continue;
      run.isLate = true;
      this.#port.end(id);
    }
  }

  #lose(runs: readonly Run[], why: string): void {
    for (const run of runs) run.settle("lost", why);
  }
}
