// What the pool raises, as log lines: the words that an operator reads about workers.

import { constants } from "node:os";

import type { Exchange } from "./http/exchange.ts";
import type { Log } from "./observe/log.ts";
import type { Job, Overdue } from "./workers/job.ts";
import type { WorkerEnd } from "./workers/launcher.ts";
import type { PoolListener, WorkerLoss } from "./workers/pool-contract.ts";
import type { Worker } from "./workers/worker.ts";

const SIGKILL = constants.signals.SIGKILL;
const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name]),
);
const LEVELS = ["debug", "info", "warning", "error"] as const;

export class PoolLog implements PoolListener {
  readonly #log: Log;
  readonly #exchangeOf: (job: Job) => Exchange | null;

  constructor(log: Log, exchangeOf: (job: Job) => Exchange | null) {
    this.#log = log;
    this.#exchangeOf = exchangeOf;
  }

  onWorkerReady(worker: Worker): void {
    const { number, pid } = worker;
    this.#log.debug("worker.ready", `worker ${number} is ready`, { worker: number, pid });
  }

  onWorkerEnd({ worker, end, lost, retried, wasAsked }: WorkerLoss, pause: number): void {
    const { number, pid, failure, lastWords } = worker;
    const isQuiet = wasAsked && lost.length === 0 && retried.length === 0;
    if (failure !== null)
      this.#log.error("application.failed", failure.text, { kind: failure.kind, worker: number });
    else
      this.#log.write(
        isQuiet ? "debug" : "error",
        "worker.ended",
        `worker ${number} ended ${tellHow(end, wasAsked)}${tellPause(pause)}`,
        {
          worker: number,
          pid,
          code: end.code,
          signal: end.signal,
          lost: lost.length,
          retried: retried.length,
          peakRssBytes: end.peakRss,
          ...(isQuiet ? {} : { lastWords: lastWords.join("\n") }),
        },
      );
    for (const job of lost)
      this.#log.error("request.lost", `worker ${number} ended while it ran this request`, {
        ...this.#name(job),
        worker: number,
      });
    for (const job of retried)
      this.#log.warning(
        "request.retried",
        `worker ${number} ended while it ran this request; another runs it once more`,
        { ...this.#name(job), worker: number },
      );
  }

  onRecycle(worker: Worker): void {
    const { number, pid, leaving } = worker;
    this.#log.info("worker.recycled", `worker ${number} is replaced: ${leaving}`, {
      worker: number,
      pid,
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

  onOverdue(
    { job, worker, age }: Overdue,
    stacks: string,
    find: (id: number) => Job | undefined,
  ): void {
    const told = stacks === "" ? "its stacks could not be had" : stacks;
    const named = told.replace(/\brequest (\d+)\b/g, (text, id: string) => {
      const other = find(Number(id));
      const exchange = other === undefined ? null : this.#exchangeOf(other);
      return exchange === null ? text : `request ${exchange.requestId}`;
    });
    this.#log.error(
      "request.overdue",
      `a request ran ${age.toFixed(1)} s without an answer; the threads of worker ${worker}:\n${named}`,
      { ...this.#name(job), worker, ms: Math.round(age * 1000) },
    );
  }

  onLauncherEnd(text: string): void {
    this.#log.error("launcher.ended", `the launcher ended and is replaced: ${text}`, {});
  }

  onLauncherLine(line: string): void {
    this.#log.warning("launcher.output", line, {});
  }

  #name(job: Job): { requestId: string; method: string; path: string } {
    const exchange = this.#exchangeOf(job);
    return {
      requestId: exchange?.requestId ?? "",
      method: exchange?.head.method ?? "",
      path: exchange?.head.path ?? "",
    };
  }
}

function tellHow({ code, signal }: WorkerEnd, wasAsked: boolean): string {
  if (signal === null) return code === null ? "and nobody saw how" : `with exit code ${code}`;
  const name = SIGNAL_NAMES.get(signal);
  const how = name === undefined ? `by signal ${signal}` : `by signal ${signal} (${name})`;
  // Nobody else is told of it.
  return signal === SIGKILL && !wasAsked ? `${how}: by hand, or memory ran out` : how;
}

function tellPause(seconds: number): string {
  if (seconds === 0) return "";
  return `; they end soon after their start, so the next one starts in ${seconds.toFixed(1)} s`;
}
