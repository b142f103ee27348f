// The end of a worker: its channel is read to the end, its notes say which requests it held, and each of these
// is run once more or lost. The launcher reports the end of a worker; after the launcher's death, the front
// checks the processes itself.

import type { Job } from "./job.ts";
import type { JobTable } from "./job-table.ts";
import type { WorkerTable } from "./worker-table.ts";
import type { Worker, WorkerEnd } from "./worker.ts";

/** How long the channel of an ended process is read for the last frames. */
const LAST_FRAMES_MS = 1000;

/** The end of a worker, reported when its requests are known. */
export interface WorkerExit {
  readonly worker: Worker;
  readonly end: WorkerEnd;
  /** Requests that died with the worker. */
  readonly lost: readonly Job[];
  /** Requests that the worker held and that are run once more. */
  readonly retried: readonly Job[];
  /** The worker had been told to stop. */
  readonly wasAsked: boolean;
}

export class WorkerExits {
  /** While the pool stops, no request is run once more. */
  isStopping = false;
  readonly #workers: WorkerTable;
  readonly #jobs: Pick<JobTable, "takeHeld" | "lose" | "retry">;
  readonly #onExit: (exit: WorkerExit) => void;

  /** `onExit` is called when the worker was removed from the table, before its requests are lost or retried. */
  constructor(
    workers: WorkerTable,
    jobs: Pick<JobTable, "takeHeld" | "lose" | "retry">,
    onExit: (exit: WorkerExit) => void,
  ) {
    this.#workers = workers;
    this.#jobs = jobs;
    this.#onExit = onExit;
  }

  /** A process has ended. Its last frames may still be in the channel. */
  ended(end: WorkerEnd, now: number): void {
    const worker = this.#workers.get(end.worker);
    if (worker === undefined || worker.end !== null) return;
    worker.end = end;
    // A child process of the application may hold the socket and keep the channel open for ever.
    worker.reapAt = now + LAST_FRAMES_MS;
    if (worker.process?.isChannelClosed !== false) this.#reap(worker, end);
  }

  /** A channel has ended. True: the process had ended too, and the worker was removed from the table. */
  channelEnded(worker: Worker): boolean {
    if (worker.end === null) return false;
    this.#reap(worker, worker.end);
    return true;
  }

  /** The launcher has died: its workers go on, and `tick` detects their ends. */
  orphanAll(): void {
    for (const worker of this.#workers.all) worker.orphan();
  }

  /** Counts every worker as ended by `signal`. Orphans are sent the signal; all others died with the launcher. */
  reapAll(signal: number): void {
    for (const worker of this.#workers.all) {
      if (worker.isOrphan) worker.process?.signal(signal);
      this.#reap(worker, { ...unknownEnd(worker), signal });
    }
  }

  /** Detects orphans that have exited, and ends the wait for last frames. */
  tick(now: number): void {
    for (const worker of this.#workers.all) {
      // Without a process the front has never connected; such a worker exits by itself.
      if (worker.isOrphan && worker.process?.hasExited() !== false)
        this.ended(unknownEnd(worker), now);
      if (worker.end !== null && now >= worker.reapAt) this.#reap(worker, worker.end);
    }
  }

  #reap(worker: Worker, end: WorkerEnd): void {
    if (worker.state === "ended") return;
    const wasAsked = worker.state === "draining";
    const held = this.#jobs.takeHeld(worker.number, worker.readNotes());
    worker.finish();
    this.#workers.remove(worker);
    const retried = this.isStopping ? [] : held.filter((job) => mayRetry(job, held.length, worker));
    const lost = held.filter((job) => !retried.includes(job));
    this.#onExit({ worker, end, lost, retried, wasAsked });
    for (const job of lost) this.#jobs.lose(job, "worker-died");
    for (const job of retried) this.#jobs.retry(job);
  }
}

/** Whether a job that a dead worker held may be run once more (docs/lifecycle.md, "A crash"). */
function mayRetry(job: Job, held: number, worker: Worker): boolean {
  // A request that was alone with the worker may be what killed it.
  const hasOtherSuspect = held > 1 || worker.overdue.size > 0;
  // Any of its requests may be what kept the event loop.
  return job.mayRetry && hasOtherSuspect && !worker.loop.isLost;
}

function unknownEnd(worker: Worker): WorkerEnd {
  return { worker: worker.number, code: null, signal: null, peakRss: 0 };
}
