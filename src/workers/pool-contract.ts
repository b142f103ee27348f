// What a pool is told, what it tells, and how a start fails. Types, and one error.

import type { Job, Overdue } from "./job.ts";
import type { Opened, WorkerEnd } from "./launcher.ts";
import type { RecyclingOptions } from "./recycling.ts";
import type { StationOptions } from "./station.ts";
import type { LoadFailure, Worker } from "./worker.ts";

export interface PoolOptions extends StationOptions, RecyclingOptions {
  /** How long a request may wait to be begun, seconds. */
  readonly queueTimeout: number;
  /** How many requests may wait. */
  readonly queueLimit: number;
  /** The shortest time that any request has, seconds; Infinity: none has one. */
  readonly leastTimeout: number;
  /** For a worker to load the application, seconds. */
  readonly startTimeout: number;
  /** For a worker that is replaced to finish what it runs, seconds. */
  readonly drainTimeout: number;
}

/** The pool as it is when the first worker has loaded the application. */
export interface PoolReady extends Opened {
  /** The interface that was found. */
  readonly interface: string;
}

/** The end of a worker, told when its requests are known. */
export interface WorkerLoss {
  readonly worker: Worker;
  readonly end: WorkerEnd;
  /** Why it did not load, if it had not. */
  readonly failure: LoadFailure;
  /** Requests that died with it. */
  readonly lost: readonly Job[];
  /** Requests that it held and that are run once more. */
  readonly retried: readonly Job[];
  /** It had been told to stop. */
  readonly wasAsked: boolean;
}

export interface PoolListener {
  onWorkerReady(worker: Worker): void;
  /** `pause`: seconds until another is started; 0: at once. */
  onWorkerEnd(loss: WorkerLoss, pause: number): void;
  /** It is to be replaced, though nothing is wrong with it; `worker.leaving` says why. */
  onRecycle(worker: Worker): void;
  onOutput(worker: Worker, stream: "stdout" | "stderr", line: string): void;
  /** A worker's own message. `level`: 0 debug … 3 error. `job`: the request's number or 0. */
  onMessage(worker: Worker, level: number, text: string, job: number): void;
  /** `stacks`: what the worker's threads do, with requests by their numbers; `find` knows these. */
  onOverdue(overdue: Overdue, stacks: string, find: (id: number) => Job | undefined): void;
  /** The launcher has ended without being asked; a new one takes its place. */
  onLauncherEnd(text: string): void;
  onLauncherLine(line: string): void;
}

/** The application did not load, or the launcher did not come up. */
export class StartFailure extends Error {
  readonly kind: string;

  constructor(failure: LoadFailure) {
    super(failure.text);
    this.kind = failure.kind;
  }
}
