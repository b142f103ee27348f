// What a pool is told, what it tells, and how a start fails. Types, and one error.

import type { Job, Overdue } from "./job.ts";
import type { Opened, WorkerEnd } from "./launcher.ts";
import type { StationOptions } from "./station.ts";
import type { LoadFailure, Worker } from "./worker.ts";

export interface PoolOptions extends StationOptions {
  /** How long a request may wait to be begun, seconds. */
  readonly queueTimeout: number;
  /** How many requests may wait. */
  readonly queueLimit: number;
  /** From taking to the head, then between chunks, seconds; 0 = none. */
  readonly timeout: number;
}

/** The pool as it is when the first worker has loaded the application. */
export interface PoolReady extends Opened {
  /** The interface that was found. */
  readonly interface: string;
}

export interface PoolListener {
  onWorkerReady(worker: Worker): void;
  /** `lost`: the requests that died with it. `wasAsked`: it had been told to stop. */
  onWorkerEnd(worker: Worker, end: WorkerEnd, lost: readonly Job[], wasAsked: boolean): void;
  onOutput(worker: Worker, stream: "stdout" | "stderr", line: string): void;
  /** A worker's own message. `level`: 0 debug … 3 error. `job`: the request's number or 0. */
  onMessage(worker: Worker, level: number, text: string, job: number): void;
  onOverdue(overdue: Overdue): void;
  /** The launcher has ended without being asked; all workers went with it and are started anew. */
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
