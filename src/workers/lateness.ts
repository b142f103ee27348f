// What becomes of a worker with a request past its deadline. Its client has been answered; the worker
// has been told to interrupt it. If it comes back, nothing more happens; if it does not within a grace,
// the worker takes no more and another takes its place; when only late requests are left in it, it is
// killed.

import type { Overdue } from "./job.ts";
import type { WorkerTable } from "./worker-table.ts";
import type { Worker } from "./worker.ts";

/** A worker has so long to come back from a request past its deadline, seconds. */
const OVERDUE_GRACE = 1;

export interface LatenessOptions {
  /** It takes no more. */
  readonly retire: (worker: Worker) => void;
  readonly kill: (worker: Worker) => void;
  /** `stacks`: what the worker's threads are doing, "" if that could not be had. */
  readonly report: (overdue: Overdue, stacks: string) => void;
}

export class Lateness {
  readonly #workers: WorkerTable;
  readonly #options: LatenessOptions;

  constructor(workers: WorkerTable, options: LatenessOptions) {
    this.#workers = workers;
    this.#options = options;
  }

  /** A request has passed its deadline. */
  note(overdue: Overdue, now: number): void {
    const worker = this.#workers.get(overdue.worker);
    worker?.overdue.set(overdue.job.id, now);
    if (worker?.stacks) worker.stacks.ask((text) => this.#options.report(overdue, text));
    else this.#options.report(overdue, "");
  }

  tick(now: number): void {
    for (const worker of this.#workers.all) {
      if (worker.overdue.size === 0 || worker.state === "ended") continue;
      const since = worker.stillOverdue().map((id) => worker.overdue.get(id) ?? now);
      if (!since.some((at) => now - at >= OVERDUE_GRACE)) continue;
      if (worker.state !== "draining") this.#options.retire(worker);
      else if (worker.hasOnlyOverdue()) this.#options.kill(worker);
    }
  }
}
