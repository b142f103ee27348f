// Reloads of a server in service: one at a time. Whoever asks while one is under way waits for the next
// one, because the code that is being read may be older than the wish; all who ask meanwhile share it.
//
//   idle ──request──▶ loading ──done──▶ idle
//                        │ └─request──▶ again ──done──▶ loading
//                        └──close──▶ closed

import type { Log } from "../observe/log.ts";
import { logOutcome, outcomeOf, type Reloader, type ReloadOutcome } from "./reload-outcome.ts";

export interface ReloadsOptions {
  /** Null: the new code serves; else why the old goes on. */
  readonly load: () => Promise<string | null>;
  readonly log: Log;
}

/** A reload that somebody waits for. */
interface Wish {
  readonly reason: string;
  readonly settle: PromiseWithResolvers<ReloadOutcome>;
}

export class Reloads implements Reloader {
  readonly #options: ReloadsOptions;
  /** What is being loaded for, and what is to be loaded for next. */
  #current: Wish | null = null;
  #next: Wish | null = null;
  #isClosed = false;

  constructor(options: ReloadsOptions) {
    this.#options = options;
  }

  async request(reason: string): Promise<ReloadOutcome> {
    if (this.#isClosed) return { kind: "stopped" };
    this.#next ??= { reason, settle: Promise.withResolvers() };
    const { promise } = this.#next.settle;
    if (this.#current === null) void this.#loadNext();
    return await promise;
  }

  close(): void {
    this.#isClosed = true;
    for (const wish of [this.#current, this.#next]) wish?.settle.resolve({ kind: "stopped" });
    this.#current = this.#next = null;
  }

  // Fails never: a load that rejects is told as one that failed.
  async #loadNext(): Promise<void> {
    const wish = this.#next;
    this.#current = wish;
    this.#next = null;
    if (wish === null) return;
    const { load, log } = this.#options;
    const { reason, settle } = wish;
    log.info("server.reloading", `${reason}: loading the application's code anew`, { reason });
    const begin = performance.now();
    const failure = await load().catch(String);
    if (this.#isClosed) return;
    const outcome = outcomeOf(failure, begin);
    logOutcome(log, outcome);
    settle.resolve(outcome);
    await this.#loadNext();
  }
}
