// Reloads of the application's code, and their outcomes. `Reloads` is the reloader of a server without
// --reload; development.ts has the other one. One load runs at a time. A request that comes during a load waits
// for the next load, because the running one may already have read older code; all requests that come during
// the same load share the next one.
//
//   idle ──request──▶ loading ──done──▶ idle
//                        │ └─request──▶ again ──done──▶ loading
//                        └──close──▶ closed

import { OperatorError } from "../config/operator-error.ts";
import type { Log } from "../observe/log.ts";

export type ReloadOutcome =
  | { readonly kind: "reloaded"; readonly ms: number }
  /** The old code keeps serving; `text` is the application's traceback, or says what the configuration's `mistake` is. */
  | {
      readonly kind: "failed";
      readonly ms: number;
      readonly text: string;
      readonly isMistake: boolean;
    }
  /** The server stopped before the load had ended. */
  | { readonly kind: "stopped" };

/** Loads the application's code again on request. */
export interface Reloader {
  /** `reason`: who asks, such as "SIGHUP". Resolves with the outcome of a load that began after this call. */
  request(reason: string): Promise<ReloadOutcome>;
  /** Starts no further load; waiting requests resolve with "stopped". */
  close(): void;
}

/** A request that no load has answered yet. */
type Waiting = PromiseWithResolvers<ReloadOutcome> & { readonly reason: string };

export class Reloads implements Reloader {
  readonly #load: () => Promise<string | null>;
  readonly #log: Log;
  /** The requests that the running load answers, and those that the next load will answer. */
  #current: Waiting | null = null;
  #next: Waiting | null = null;
  #isClosed = false;

  /**
   * `load` resolves with null when the new code serves, else with the reason why it does not. Rejects with
   * OperatorError where the configuration has a mistake.
   */
  constructor(load: () => Promise<string | null>, log: Log) {
    this.#load = load;
    this.#log = log;
  }

  async request(reason: string): Promise<ReloadOutcome> {
    if (this.#isClosed) return { kind: "stopped" };
    this.#next ??= { reason, ...Promise.withResolvers<ReloadOutcome>() };
    const { promise } = this.#next;
    if (this.#current === null) void this.#loadNext();
    return await promise;
  }

  close(): void {
    this.#isClosed = true;
    for (const waiting of [this.#current, this.#next]) waiting?.resolve({ kind: "stopped" });
    this.#current = this.#next = null;
  }

  // Never rejects: a load that rejects counts as a failed load.
  async #loadNext(): Promise<void> {
    const waiting = this.#next;
    this.#current = waiting;
    this.#next = null;
    if (waiting === null) return;
    const { reason, resolve } = waiting;
    this.#log.info("server.reloading", `${reason}: loading the application's code again`, {
      reason,
    });
    const begin = performance.now();
    const failure = await this.#load().catch(asFailure);
    if (this.#isClosed) return;
    const outcome = outcomeOf(failure, begin);
    logOutcome(this.#log, outcome);
    resolve(outcome);
    await this.#loadNext();
  }
}

/** What a load has rejected with, as a failure: a mistake of the operator, or a text. */
export function asFailure(error: unknown): string | OperatorError {
  return error instanceof OperatorError ? error : String(error);
}

/** The outcome of a load that began at `begin` (performance.now()) and has just ended. */
export function outcomeOf(failure: string | OperatorError | null, begin: number): ReloadOutcome {
  const ms = Math.round(performance.now() - begin);
  if (failure === null) return { kind: "reloaded", ms };
  const isMistake = failure instanceof OperatorError;
  return { kind: "failed", ms, text: isMistake ? failure.text : failure, isMistake };
}

/** Logs an outcome. `changed`: the file whose change caused the load. */
export function logOutcome(log: Log, outcome: ReloadOutcome, changed?: string): void {
  if (outcome.kind === "stopped") return;
  const fields = { ms: outcome.ms, ...(changed === undefined ? {} : { changed }) };
  if (outcome.kind === "reloaded") log.info("server.reloaded", "new code serves", fields);
  else {
    const what = outcome.isMistake
      ? "the configuration has a mistake"
      : "the new code does not load";
    log.error("server.reload-failed", `${what}\n${outcome.text}`, fields);
  }
}
