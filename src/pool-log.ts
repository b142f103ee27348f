// What the pool raises, as log lines: the words that an operator reads about workers.

import type { Log } from "./observe/log.ts";
import type { Job, Overdue } from "./workers/job.ts";
import type { WorkerEnd } from "./workers/launcher.ts";
import type { PoolListener } from "./workers/pool-contract.ts";
import type { Worker } from "./workers/worker.ts";

const LEVELS = ["debug", "info", "warning", "error"] as const;

export class PoolLog implements PoolListener {
  readonly #log: Log;
  readonly #requestId: (job: Job) => string;

  constructor(log: Log, requestId: (job: Job) => string) {
    this.#log = log;
    this.#requestId = requestId;
  }

  onWorkerReady(worker: Worker): void {
    const { number, pid } = worker;
    this.#log.debug("worker.ready", `worker ${number} is ready`, { worker: number, pid });
  }

  onWorkerEnd(worker: Worker, end: WorkerEnd, lost: readonly Job[], wasAsked: boolean): void {
    const { number, pid, failure } = worker;
    const how = end.signal === null ? `with exit code ${end.code}` : `by signal ${end.signal}`;
    const isQuiet = wasAsked && lost.length === 0;
    if (failure !== null)
      this.#log.error("application.failed", failure.text, { kind: failure.kind });
    else
      this.#log.write(
        isQuiet ? "debug" : "error",
        "worker.ended",
        `worker ${number} ended ${how}`,
        {
          worker: number,
          pid,
          code: end.code,
          signal: end.signal,
          lost: lost.length,
          peakRssBytes: end.peakRss,
        },
      );
    for (const job of lost)
      this.#log.error("request.lost", `worker ${number} ended while it ran this request`, {
        requestId: this.#requestId(job),
        worker: number,
      });
  }

  onOutput(worker: Worker, stream: "stdout" | "stderr", line: string): void {
    this.#log.output(worker.number, stream, line);
  }

  onMessage(worker: Worker, level: number, text: string): void {
    const name = LEVELS[level] ?? "error";
    this.#log.write(name, "worker.message", `worker ${worker.number}: ${text}`, {
      worker: worker.number,
    });
  }

  onOverdue({ job, worker, age }: Overdue): void {
    this.#log.error(
      "request.overdue",
      `a request ran ${age.toFixed(1)} s without an answer; worker ${worker} is replaced`,
      { requestId: this.#requestId(job), worker, ms: Math.round(age * 1000) },
    );
  }

  onLauncherEnd(text: string): void {
    this.#log.error("launcher.ended", `the launcher ended, all workers start anew: ${text}`, {});
  }

  onLauncherLine(line: string): void {
    this.#log.warning("launcher.output", line, {});
  }
}
