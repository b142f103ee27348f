// The workers of one application and the way of a job through them. Joins the parts: the station makes
// processes, staffing decides who works, the table keeps the books, lateness sees to late requests. Raises
// typed events; writes no logs; knows no HTTP.
//
// A worker that ends: its channel is read to the end, its notes say which requests died with it, a
// fence wakes whoever slept over a stranded page, and a new worker takes its place. A launcher that ends:
// its workers go on, a new launcher starts others in their place.

import { monotonic } from "./clock.ts";
import type { SharedFiles } from "./shared-files.ts";
import { Departures } from "./departures.ts";
import type { Job } from "./job.ts";
import { JobTable } from "./job-table.ts";
import { Lateness } from "./lateness.ts";
import type { Opened, WorkerEnd } from "./launcher.ts";
import {
  StartFailure,
  type PoolListener,
  type PoolOptions,
  type PoolReady,
  type WorkerLoss,
} from "./pool-contract.ts";
import { RequestQueue } from "./queue.ts";
import { WorkerTable } from "./worker-table.ts";
import { Staffing } from "./staffing.ts";
import { Station, type StationListener } from "./station.ts";
import type { LoadFailure, Worker } from "./worker.ts";
import { hearWorker, type WorkerFramesDesk } from "./worker-frames.ts";

const SIGKILL = 9;
const UNKNOWN: Opened = { pipePages: 0, python: "", implementation: "", executable: "" };

type PoolState = "new" | "running" | "stopping" | "stopped";

export class Pool implements StationListener, WorkerFramesDesk {
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #workers = new WorkerTable();
  readonly #jobs: JobTable;
  readonly #staffing: Staffing;
  readonly #lateness: Lateness;
  readonly #departures: Departures;
  /** Whether the application that serves speaks ASGI, else WSGI. */
  isAsgi = false;
  #state: PoolState = "new";
  #station: Station | null = null;
  #shared: SharedFiles | null = null;
  #queue: RequestQueue | null = null;
  #opened: Opened | null = null;
  #interface = "";
  /** What lies in the pipe cannot be trusted: everything starts anew. */
  #isPoisoned = false;
  /** Nobody serves, and nobody will soon; looked at by the clock. */
  #isUnstaffed = false;
  readonly #settleStop: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: PoolOptions, listener: PoolListener) {
    this.#options = options;
    this.#listener = listener;
    this.#jobs = new JobTable({
      leastTimeout: options.leastTimeout,
      send: (worker, frame) => this.#workers.get(worker)?.channel?.send(frame),
    });
    const { workers, threads } = options.application;
    this.#staffing = new Staffing(
      this.#workers,
      { ...options, workers, threads },
      {
        start: (worker) => this.#openStation().startWorker(worker.number),
        kill: (worker) => this.#kill(worker),
        onReady: (worker) => listener.onWorkerReady(worker),
        onRecycle: (worker) => listener.onRecycle(worker),
      },
    );
    this.#departures = new Departures({
      workers: this.#workers,
      jobs: this.#jobs,
      listenerOf: (worker, onChannelEnd) => hearWorker(worker, this.#jobs, this, onChannelEnd),
      isStopping: () => this.#state !== "running",
      onGone: (loss) => this.#onGone(loss),
    });
    this.#lateness = new Lateness(this.#workers, {
      retire: (worker) => this.#staffing.retire(worker, monotonic()),
      kill: (worker) => this.#kill(worker),
      report: (overdue, stacks) =>
        listener.onOverdue(overdue, stacks, (id) =>
          id === overdue.job.id ? overdue.job : this.#jobs.get(id),
        ),
    });
  }

  /** Resolves when the first worker has loaded the application; StartFailure if one does not. */
  async start(): Promise<PoolReady> {
    this.#state = "running";
    const failure = await this.#staffing.load();
    if (failure !== null) throw new StartFailure(failure);
    return this.ready;
  }

  /** What is known of the application's Python; of the interface once it was loaded. */
  get ready(): PoolReady {
    return { ...(this.#opened ?? UNKNOWN), interface: this.#interface };
  }

  /** Loads the application's code anew; null when it serves, or why it does not and the old code stays. */
  load(): Promise<LoadFailure | null> {
    return this.#staffing.load();
  }

  /** Whether somebody takes requests. */
  get isServing(): boolean {
    return this.#state === "running" && this.#workers.takers > 0;
  }

  /** Requests that wait or run. */
  get requests(): number {
    return this.#jobs.size;
  }

  /** Tells the service manager (sd_notify(3)), if there is one. */
  notify(text: string): void {
    this.#station?.notify(text);
  }

  submit(job: Job): void {
    if (this.#isUnstaffed) this.#jobs.lose(job, "no-workers");
    else this.#jobs.submit(job);
  }

  cancel(job: Job): void {
    this.#jobs.cancel(job);
  }

  halfClose(job: Job, isLate: boolean): void {
    this.#jobs.halfClose(job, isLate);
  }

  credit(job: Job, bytes: number): void {
    this.#jobs.credit(job, bytes);
  }

  /** The coarse clock: late requests, late workers, starts that were put off. */
  tick(): void {
    if (this.#state === "new" || this.#state === "stopped") return;
    const now = monotonic();
    for (const overdue of this.#jobs.tick(now, () => this.#workers.readNotes())) {
      this.#lateness.note(overdue, now);
      this.#jobs.interrupt(overdue);
    }
    this.#lateness.tick(now);
    this.#departures.tick();
    for (const worker of this.#workers.all) if (now >= worker.killAt) this.#kill(worker);
    if (this.#state === "running") this.#staffing.tick(now);
    this.#isUnstaffed = this.#staffing.isUnstaffed(now);
  }

  /** Lets the workers finish what they run for at most `grace` seconds, then ends everything. */
  stop(grace: number): Promise<void> {
    if (this.#state === "new") return Promise.resolve();
    if (this.#state !== "running") return this.#settleStop.promise;
    this.#state = "stopping";
    const killAt = monotonic() + grace;
    for (const worker of this.#workers.all)
      if (worker.state === "starting") this.#kill(worker);
      else worker.drain(killAt);
    this.#stopWhenEmpty();
    return this.#settleStop.promise;
  }

  onOpened(opened: Opened, shared: SharedFiles): void {
    this.#opened = opened;
    if (this.#shared === shared) return;
    const { application, queueLimit, queueTimeout } = this.#options;
    this.#shared = shared;
    this.#queue = new RequestQueue(shared.queue, {
      limit: queueLimit,
      timeout: queueTimeout,
      capacity: application.workers * application.threads,
      workers: application.workers,
      pipePages: opened.pipePages,
    });
    this.#jobs.use(this.#queue, shared);
  }

  onStarted(number: number, pid: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined || this.#station === null) return;
    const onChannelEnd = (fault: string | null): void => this.#onChannelEnd(worker, fault);
    const listener = hearWorker(worker, this.#jobs, this, onChannelEnd);
    worker.open(this.#station.directory, pid, listener, {
      onLine: (stream, line) => this.#listener.onOutput(worker, stream, line),
      signal: (signal) => this.#signal(worker, signal),
    });
  }

  onEnded(end: WorkerEnd): void {
    this.#departures.ended(end);
  }

  onReady(worker: Worker, found: string): void {
    this.#interface = found;
    this.isAsgi = found === "asgi";
    this.#jobs.isConcurrent = this.isAsgi;
    if (this.isAsgi) worker.slots = this.#options.application.concurrency;
    this.#staffing.ready(worker, monotonic());
    this.#isUnstaffed = false;
  }

  onStopped(worker: Worker): void {
    this.#staffing.stopped(worker);
    this.#fence();
  }

  onMessage(worker: Worker, level: number, text: string, job: number): void {
    this.#listener.onMessage(worker, level, text, job);
  }

  onPoisoned(worker: Worker, text: string): void {
    this.#listener.onMessage(worker, 3, text, 0);
    this.#isPoisoned = true;
    this.#station?.stop();
  }

  onLauncherLine(line: string): void {
    // What a launcher says that does not come up is in the failure of the start.
    if (this.#opened !== null) this.#listener.onLauncherLine(line);
  }

  onStationEnd(text: string): void {
    this.#station = null;
    if (this.#opened === null || this.#isPoisoned || this.#state === "stopping") {
      this.#endAll(text);
      return;
    }
    this.#listener.onLauncherEnd(text);
    this.#departures.orphanAll();
    this.#staffing.setBack(text, monotonic());
  }

  // Everything that ran is gone: at the end, or because it has to start anew.
  #endAll(text: string): void {
    if (this.#state === "running") {
      if (this.#opened !== null) this.#listener.onLauncherEnd(text);
      this.#staffing.setBack(text, monotonic());
    }
    this.#jobs.loseAll(this.#state === "stopping" ? "stopping" : "worker-died");
    this.#jobs.leave();
    this.#queue?.close();
    this.#shared?.close();
    this.#queue = this.#shared = null;
    this.#departures.buryAll(SIGKILL);
    this.#isPoisoned = false;
    this.#stopWhenEmpty();
  }

  #openStation(): Station {
    this.#station ??= new Station(this.#options, this.#shared, this);
    return this.#station;
  }

  #onChannelEnd(worker: Worker, fault: string | null): void {
    if (worker.state === "ended") return;
    if (fault !== null) this.#listener.onMessage(worker, 3, `broke the protocol: ${fault}`, 0);
    // A worker without a channel can neither answer nor be told anything.
    if (worker.state !== "draining" || fault !== null) this.#kill(worker);
  }

  #onGone(loss: WorkerLoss): void {
    const { worker, failure, wasAsked } = loss;
    const now = monotonic();
    // The end of a load is told by whoever wanted it.
    if (!this.#staffing.ended(worker, failure, wasAsked, now))
      this.#listener.onWorkerEnd(loss, this.#staffing.pause(now));
    this.#fence();
    if (this.#state === "running") this.#staffing.fill(now);
    this.#stopWhenEmpty();
  }

  #stopWhenEmpty(): void {
    if (this.#state !== "stopping" || !this.#workers.isEmpty) return;
    if (this.#station !== null) {
      this.#station.stop();
      return;
    }
    this.#shared?.close();
    this.#shared = null;
    this.#state = "stopped";
    this.#settleStop.resolve();
  }

  #fence(): void {
    // At least one: it also proves which pages are gone.
    this.#queue?.fence(Math.max(1, this.#workers.takers), () => this.#jobs.nextId());
  }

  #kill(worker: Worker): void {
    worker.killAt = Infinity;
    this.#signal(worker, SIGKILL);
  }

  #signal(worker: Worker, signal: number): void {
    if (worker.isOrphan) worker.signalOrphan(signal);
    else this.#station?.signalWorker(worker.number, signal);
  }
}
