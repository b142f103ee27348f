// The end of a worker: the channel is read to its end, the notes say which requests the worker held, and each
// of these is run once more or lost. The launcher reports an end; after the launcher's death, the front looks
// at the processes themselves.

import type { Job } from "./job.ts";
import type { JobTable } from "./job-table.ts";
import type { WorkerTable } from "./worker-table.ts";
import type { Worker, WorkerEnd } from "./worker.ts";

/** How long the channel of an ended process is read for the last frames, seconds. */
const LAST_FRAMES_SECONDS = 1;

/** The end of a worker, told when its requests are known. */
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
  /** While the pool stops nothing is run once more. */
  isStopping = false;
  readonly #workers: WorkerTable;
  readonly #jobs: Pick<JobTable, "takeHeld" | "lose" | "retry">;
  readonly #onExit: (exit: WorkerExit) => void;

  /** `onExit`: the worker is out of the table; its requests are told of their fate afterwards. */
  constructor(
    workers: WorkerTable,
    jobs: Pick<JobTable, "takeHeld" | "lose" | "retry">,
    onExit: (exit: WorkerExit) => void,
  ) {
    this.#workers = workers;
    this.#jobs = jobs;
    this.#onExit = onExit;
  }

  /** A process has ended. Its last frames may still be on the way. */
  ended(end: WorkerEnd, now: number): void {
    const worker = this.#workers.get(end.worker);
    if (worker === undefined || worker.end !== null) return;
    worker.end = end;
    // A child of the application that holds the socket would keep the channel open without end.
    worker.reapAt = now + LAST_FRAMES_SECONDS;
    if (worker.process?.isChannelClosed !== false) this.#reap(worker, end);
  }

  /** A channel has ended. True: so had the process, and its worker is out of the table now. */
  channelEnded(worker: Worker): boolean {
    if (worker.end === null) return false;
    this.#reap(worker, worker.end);
    return true;
  }

  /** The launcher has died: its workers go on, and `tick` sees their ends. */
  orphanAll(): void {
    for (const worker of this.#workers.all) worker.orphan();
  }

  /** Counts every worker as ended by `signal`, which kills the orphans; the others died with the launcher. */
  reapAll(signal: number): void {
    for (const worker of this.#workers.all) {
      if (worker.isOrphan) worker.process?.signal(signal);
      this.#reap(worker, { ...unknownEnd(worker), signal });
    }
  }

  /** Looks for orphans that have exited, and for last frames that took too long. */
  tick(now: number): void {
    for (const worker of this.#workers.all) {
      // A worker that was forked and not opened waits for a front that never connects, and exits.
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
  return job.isRepeatable && job.retries === 0 && job.state === "queued" && hasOtherSuspect;
}

function unknownEnd(worker: Worker): WorkerEnd {
  return { worker: worker.number, code: null, signal: null, peakRss: 0 };
}
