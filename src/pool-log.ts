// The events of an application's pool as log lines: what an operator reads about workers. With several
// applications each line and each event names its application.

import { constants } from "node:os";

import type { Exchange } from "./http/exchange.ts";
import type { Log } from "./observe/log.ts";
import type { Job, Overdue } from "./workers/job.ts";
import type { TemplateEnd } from "./workers/launcher.ts";
import { describePlace } from "./workers/loading-stack.ts";
import { eachLine } from "./processes/output.ts";
import { HOOK_MS, type HookCall, type HookOutcome } from "./workers/hook-runs.ts";
import type { PoolListener } from "./workers/pool.ts";
import { cpuMsOf } from "./workers/worker-process.ts";
import type { WorkerExit } from "./workers/worker-exits.ts";
import type { Worker } from "./workers/worker.ts";

const SIGKILL = constants.signals.SIGKILL;
const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name]),
);
const LEVELS = ["debug", "info", "warning", "error"] as const;

/** Takes whole lines that an application has printed; false: the application should wait a moment. */
/** What lines about a load name. */
export interface LoadedApplication {
  readonly app: string;
  readonly appDir: string;
  readonly python: string;
  readonly preload: boolean;
  readonly startTimeoutMs: number;
}

type WriteOutput = (stream: "stdout" | "stderr", lines: Buffer) => boolean;

export class PoolLog implements PoolListener {
  readonly #log: Log;
  readonly #exchangeOf: (job: Job) => Exchange | null;
  readonly #application: LoadedApplication;
  readonly #output: WriteOutput | null;
  /** " of NAME", where there are several applications. */
  readonly #ofApplication: string;

  /**
   * `log`: the application's (`Log.of`), which names the application in the fields of each event. `output` takes
   * what the application prints; null: the log takes it.
   */
  constructor(
    log: Log,
    exchangeOf: (job: Job) => Exchange | null,
    application: LoadedApplication,
    output: WriteOutput | null = null,
  ) {
    this.#log = log;
    this.#exchangeOf = exchangeOf;
    this.#application = application;
    this.#output = output;
    this.#ofApplication = log.application === "" ? "" : ` of ${log.application}`;
  }

  onLoading(workers: number, wanted: number): void {
    const { app, preload } = this.#application;
    const more = wanted - workers;
    const follow = more > 0 ? `; up to ${more} more follow it` : "";
    const where = preload
      ? `a template, from which ${countWorkers(wanted)} will be forked`
      : `${countWorkers(workers)}${follow}`;
    this.#log.info("application.loading", `${app} is loading in ${where}`, { workers: wanted });
  }

  // The CPU time tells an application that computes from one that waits for something else, such as a database.
  onStillLoading(lastedMs: number, worker: Worker | null, stack: string): void {
    const { app, appDir, python, startTimeoutMs } = this.#application;
    const after = `after ${Math.floor(lastedMs / 1000)} s`;
    const limit = `the limit is ${startTimeoutMs / 1000} s: --start-timeout`;
    if (worker === null) {
      const text = `${app} is not loading ${after}: ${python} has not started a worker (${limit})`;
      this.#log.info("application.waiting", text, {});
      return;
    }
    const { number, pid } = worker;
    const cpuMs = cpuMsOf(pid);
    const place = describePlace(stack, appDir);
    const at = place === "" ? "its stack cannot be read" : place;
    this.#log.info(
      "application.waiting",
      `${app} is still loading ${after}: ${at} (process ${pid}, ${cpuMs / 1000} s on a CPU; ${limit})`,
      { worker: number, pid, cpuMs, ...(place === "" ? {} : { place }) },
    );
  }

  onWorkerReady(worker: Worker): void {
    this.#log.debug("worker.ready", `${this.#name(worker.number)} is ready`, {
      worker: worker.number,
      pid: worker.pid,
    });
  }

  onWorkerEnd({ worker, end, lost, retried, wasAsked }: WorkerExit, pauseMs: number): void {
    const { number, pid, failure, fault, lastErrorLines } = worker;
    const isQuiet = wasAsked && lost.length === 0 && retried.length === 0;
    if (failure !== null)
      this.#log.error("application.failed", failure.text, {
        kind: failure.kind,
        worker: number,
      });
    else
      this.#log.write(
        isQuiet ? "debug" : "error",
        "worker.ended",
        `${this.#name(number)} ended ${describeEnd(end, wasAsked || fault !== null)}${describePause(pauseMs)}`,
        {
          worker: number,
          pid,
          code: end.code,
          signal: end.signal,
          lost: lost.length,
          retried: retried.length,
          peakRssBytes: end.peakRss,
          ...(isQuiet ? {} : { lastWords: lastErrorLines }),
        },
      );
    const text = `${this.#name(number)} ended while it ran this request`;
    for (const job of lost) this.#log.error("request.lost", text, this.#requestFields(job, number));
    for (const job of retried)
      this.#log.warning(
        "request.retried",
        `${text}; another worker runs it once more`,
        this.#requestFields(job, number),
      );
  }

  onRecycle({ number, pid, leaving }: Worker): void {
    this.#log.info("worker.recycled", `${this.#name(number)} is replaced: ${leaving}`, {
      worker: number,
      pid,
    });
  }

  onSingle({ number, generation, single }: Worker, workers: number): void {
    const fields = { worker: number, workers, reason: single };
    if (workers > 1)
      this.#log.warning(
        "application.single",
        `${single}; ${workers} workers serve it, and a client may reach another one each time (--workers 1)`,
        fields,
      );
    // The line of the start says it too.
    else if (generation > 1)
      this.#log.info("application.single", `one worker serves: ${single}`, fields);
  }

  onOutput(worker: Worker, stream: "stdout" | "stderr", lines: Buffer): boolean {
    if (this.#output !== null) return this.#output(stream, lines);
    eachLine(lines, (line) => this.#log.output(worker.number, stream, line));
    return this.#log.takesMore;
  }

  onMessage({ number }: Worker, level: number, text: string): void {
    const name = LEVELS[level] ?? "error";
    this.#log.write(name, "worker.message", `${this.#name(number)}: ${text}`, { worker: number });
  }

  onOverdue(
    { job, worker, ageMs, isAbandoned }: Overdue,
    stacks: string,
    find: (id: number) => Job | undefined,
  ): void {
    const named = this.#nameRequests(stacks, find);
    const seconds = (ageMs / 1000).toFixed(1);
    const ran = isAbandoned
      ? `a request went on for ${seconds} s after its client had left, and could not be cancelled`
      : `a request ran ${seconds} s without a response`;
    this.#log.error("request.overdue", `${ran}; the threads of ${this.#name(worker)}:\n${named}`, {
      ...this.#requestFields(job, worker),
      ms: Math.round(ageMs),
    });
  }

  onLoopBlocked(
    { number, loop }: Worker,
    stacks: string,
    find: (id: number) => Job | undefined,
  ): void {
    const text =
      `the event loop of ${this.#name(number)} has not come back for ` +
      `${(loop.blockedMs / 1000).toFixed(1)} s (--loop-timeout):\n${this.#nameRequests(stacks, find)}`;
    const ms = Math.round(loop.blockedMs);
    this.#log.error("worker.loop-blocked", text, { worker: number, ms });
  }

  onTemplateEnd({ pid, code, signal }: TemplateEnd): void {
    const how = describeEnd({ code, signal }, false);
    this.#log.error(
      "template.ended",
      `the template${this.#ofApplication} ended ${how}; its workers go on, and the next worker that starts loads the application again`,
      { pid, code, signal },
    );
  }

  onHook({ functions, worker, pid }: HookCall, outcome: HookOutcome, text: string): void {
    const about =
      worker === 0 ? this.#ofApplication : ` for ${this.#name(worker)} (process ${pid})`;
    const name = `${functions.join(", ")}${about}`;
    const fields = { hooks: functions.join(" "), worker, pid };
    const printed = text.trimEnd();
    const told = printed === "" ? "" : `:${printed.includes("\n") ? "\n" : " "}${printed}`;
    if (outcome === "done")
      this.#log.write(printed === "" ? "debug" : "info", "hook.ended", `${name}${told}`, fields);
    else if (outcome === "lost")
      this.#log.warning("hook.lost", `${name} was not called to its end: ${printed}`, fields);
    else
      this.#log.error(
        "hook.failed",
        outcome === "late"
          ? `${name} was killed, because it ran for ${HOOK_MS / 1000} s${told}`
          : `${name} failed${told}`,
        fields,
      );
  }

  onLauncherEnd(text: string): void {
    this.#log.error(
      "launcher.ended",
      `the launcher${this.#ofApplication} ended and is replaced: ${text}`,
      {},
    );
  }

  onLauncherLine(line: string): void {
    this.#log.warning("launcher.output", line, {});
  }

  // Replaces the pool's numbers of requests by the ids that clients and logs know.
  #nameRequests(stacks: string, find: (id: number) => Job | undefined): string {
    if (stacks === "") return "the stacks could not be read";
    return stacks.replace(/\brequest (\d+)\b/g, (text, id: string) => {
      const job = find(Number(id));
      const exchange = job === undefined ? null : this.#exchangeOf(job);
      return exchange === null ? text : `request ${exchange.requestId}`;
    });
  }

  #name(worker: number): string {
    return `worker ${worker}${this.#ofApplication}`;
  }

  #requestFields(
    job: Job,
    worker: number,
  ): { requestId: string; method: string; path: string; worker: number } {
    const exchange = this.#exchangeOf(job);
    return {
      requestId: exchange?.requestId ?? "",
      method: exchange?.head.method ?? "",
      path: exchange?.head.path ?? "",
      worker,
    };
  }
}

function countWorkers(count: number): string {
  return count === 1 ? "1 worker" : `${count} workers`;
}

/** `isKilled`: by the front. */
function describeEnd({ code, signal }: Omit<TemplateEnd, "pid">, isKilled: boolean): string {
  if (signal === null) return code === null ? "in an unknown way" : `with exit code ${code}`;
  const name = SIGNAL_NAMES.get(signal);
  const how = name === undefined ? `by signal ${signal}` : `by signal ${signal} (${name})`;
  // The kernel tells only its own log that it ended a process for want of memory.
  return signal === SIGKILL && !isKilled
    ? `${how}: killed by hand, or by the kernel because memory ran out`
    : how;
}

function describePause(pauseMs: number): string {
  if (pauseMs === 0) return "";
  return `; workers end soon after their start, so the next one starts in ${(pauseMs / 1000).toFixed(1)} s`;
}
