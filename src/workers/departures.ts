// The end of a worker: its channel is read to the end, its notes say which requests it held, and each of
// these is run once more or lost. An end is known from the launcher; where that has died, from the
// process itself.

import type { ChannelListener } from "./channel.ts";
import type { Job } from "./job.ts";
import type { JobTable } from "./job-table.ts";
import type { WorkerEnd } from "./launcher.ts";
import type { WorkerLoss } from "./pool-contract.ts";
import type { WorkerTable } from "./worker-table.ts";
import type { Worker } from "./worker.ts";

/** How long the channel of an ended worker is read for what it had still sent, ms. */
const LAST_FRAMES_MS = 1000;

export interface DeparturesOptions {
  readonly workers: WorkerTable;
  readonly jobs: JobTable;
  /** What hears the frames of a worker, with another ear for the channel's end. */
  readonly listenerOf: (worker: Worker, onChannelEnd: () => void) => ChannelListener;
  /** Whether the pool stops: every end was asked for, and nothing is run once more. */
  readonly isStopping: () => boolean;
  /** It is out of the workers, and its requests are known; they are told afterwards. */
  readonly onGone: (loss: WorkerLoss) => void;
}

export class Departures {
  readonly #options: DeparturesOptions;

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  /** The launcher, or the process itself, says that it has ended. */
  ended(end: WorkerEnd): void {
    const worker = this.#options.workers.get(end.worker);
    if (worker === undefined) return;
    if (worker.channel === null || worker.channel.isClosed) {
      this.#bury(worker, end);
      return;
    }
    // What it sent before it died may still be on the way; a child of the application that holds the
    // socket must not keep us waiting for its end.
    const timer = setTimeout(() => this.#bury(worker, end), LAST_FRAMES_MS);
    worker.channel.listener = this.#options.listenerOf(worker, () => {
      clearTimeout(timer);
      this.#bury(worker, end);
    });
  }

  /** The launcher has died: its workers go on, and their ends are seen by `tick`. */
  orphanAll(): void {
    const { all } = this.#options.workers;
    for (const worker of all) if (worker.channel !== null) worker.orphan();
    // Forked and not heard of yet: it waits for a front that never comes, and goes.
    for (const worker of all) if (worker.channel === null) this.#bury(worker, unknownEnd(worker));
  }

  /** Nothing of the workers is left, or to be left. */
  buryAll(signal: number): void {
    for (const worker of this.#options.workers.all) {
      if (worker.isOrphan) worker.signalOrphan(signal);
      this.#bury(worker, { ...unknownEnd(worker), signal });
    }
  }

  /** Looks for orphans that have gone. */
  tick(): void {
    for (const worker of this.#options.workers.all)
      if (worker.isOrphan && worker.isGone()) this.ended(unknownEnd(worker));
  }

  #bury(worker: Worker, end: WorkerEnd): void {
    if (worker.state === "ended") return;
    const { workers, jobs, isStopping, onGone } = this.#options;
    const wasAsked = worker.state === "draining" || isStopping();
    const held = jobs.takeHeld(worker.number, worker.readNotes());
    worker.end();
    workers.remove(worker);
    const retried = isStopping() ? [] : held.filter((job) => mayRetry(job, held.length, worker));
    const lost = held.filter((job) => !retried.includes(job));
    const failure = worker.failure ?? { kind: "ended", text: tellEnd(end) };
    onGone({ worker, end, failure, lost, retried, wasAsked });
    for (const job of lost) jobs.lose(job, "worker-died");
    for (const job of retried) jobs.retry(job);
  }
}

/** Whether a job that its worker held may be run once more: DESIGN, rule 5. */
function mayRetry(job: Job, held: number, worker: Worker): boolean {
  // Who was alone with the worker may be what killed it.
  const hasOtherSuspect = held > 1 || worker.overdue.size > 0;
  return job.mayRetry && hasOtherSuspect;
}

function unknownEnd(worker: Worker): WorkerEnd {
  return { worker: worker.number, code: null, signal: null, peakRss: 0 };
}

function tellEnd({ code, signal }: WorkerEnd): string {
  const how = signal === null ? `with exit code ${code}` : `by signal ${signal}`;
  return `the worker ended ${how} before the application was loaded`;
}
