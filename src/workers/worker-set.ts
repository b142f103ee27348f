// The rules by which workers come and go: how many there are, of which load of the code, which worker takes
// another's place, and when one is killed. A new worker is ready before an old one stops taking. Pure: time
// comes as `now`, processes are behind WorkerSetListener.
//
//   load():  N start beside the old ─▶ all are ready ─▶ they take, the old stop taking
//                                  └─▶ one fails ────▶ the new are killed, the old stay
//   end, recycling, overdue:  one starts ─▶ is ready, takes ─▶ one that is to leave stops taking

import { Backoff } from "./backoff.ts";
import { Recycling, type RecyclingOptions } from "./recycling.ts";
import type { WorkerTable } from "./worker-table.ts";
import type { WorkerExit } from "./worker-exits.ts";
import type { LoadFailure, Worker, WorkerEnd } from "./worker.ts";

export interface WorkerSetOptions extends RecyclingOptions {
  readonly workers: number;
  /** For a worker to be ready, seconds. */
  readonly startTimeout: number;
  /** For a worker that takes no more to finish what it runs, seconds; then it is killed. */
  readonly drainTimeout: number;
}

export interface WorkerSetListener {
  /** Start the worker's process. */
  start(worker: Worker): void;
  /** Kill the worker's process; asked again until the worker has ended. */
  kill(worker: Worker): void;
  onReady(worker: Worker): void;
  /** The worker is to be replaced, though nothing is wrong with it. */
  onRecycle(worker: Worker): void;
}

/** For an old worker to say that it takes no more; a worker that cannot say so hardly takes, seconds. */
const YIELD_SECONDS = 1;
/** For a worker to come back from a request past its deadline, seconds. */
const OVERDUE_GRACE = 1;
/** A kill can be lost with the launcher that carries it; it is repeated after so long, seconds. */
const KILL_AGAIN_SECONDS = 1;

export class WorkerSet {
  /** No worker takes requests, and none will soon; as of the last tick. */
  hasNoWorkers = false;
  readonly #table: WorkerTable;
  readonly #options: WorkerSetOptions;
  readonly #listener: WorkerSetListener;
  readonly #backoff = new Backoff();
  readonly #recycling: Recycling;
  /**
   *   none ──load──▶ loading ──all are ready──▶ yielding ──the old take no more──▶ none
   *                     └─────────────one failed, the launcher ended──────────────▲
   */
  #phase: "none" | "loading" | "yielding" = "none";
  #settle: (failure: LoadFailure | null) => void = () => undefined;
  /** The generation that serves, and the last that was begun. */
  #current = 0;
  #last = 0;
  /** Old workers that have not yet said that they take no more, and until when the load waits for them. */
  readonly #yielding = new Set<Worker>();
  #yieldUntil = 0;
  #isStopping = false;

  constructor(table: WorkerTable, options: WorkerSetOptions, listener: WorkerSetListener) {
    this.#table = table;
    this.#options = options;
    this.#listener = listener;
    this.#recycling = new Recycling(options);
  }

  /** Loads the code beside the workers there are; resolves with null when the new code serves, or why not. */
  load(now: number): Promise<LoadFailure | null> {
    this.#giveUp({ kind: "superseded", text: "another load of the application began" }, now);
    this.#endYielding();
    this.#last += 1;
    this.#phase = "loading";
    const { promise, resolve } = Promise.withResolvers<LoadFailure | null>();
    this.#settle = resolve;
    for (let count = 0; count < this.#options.workers; count += 1) this.#start(this.#last, now);
    return promise;
  }

  /** The worker has loaded the application. */
  ready(worker: Worker, now: number): void {
    // READY of a worker that was told to go in the meantime changes nothing.
    if (worker.state !== "starting") return;
    worker.load(now);
    worker.killAt = Infinity;
    const loading = this.#loadingWorkers();
    if (worker.generation === this.#current) worker.take();
    // Where no worker serves, the first one that is ready does, and the others follow.
    else if (this.#table.takers.length === 0 || loading.every(({ state }) => state === "loaded"))
      this.#commit(loading, now);
    this.hasNoWorkers = false;
    this.#listener.onReady(worker);
    this.#relieve(now);
  }

  /** The worker takes no more. */
  stopped(worker: Worker): void {
    if (this.#yielding.delete(worker) && this.#yielding.size === 0) this.#endYielding();
  }

  /**
   * A worker has ended and is out of the table. Returns seconds until another is started, or null if the
   * worker belonged to a load that has failed: whoever asked for the load is told.
   */
  exited(
    { worker, end, wasAsked }: Omit<WorkerExit, "lost" | "retried">,
    now: number,
  ): number | null {
    this.stopped(worker);
    if (this.#phase === "loading" && worker.generation === this.#last)
      this.#giveUp(worker.failure ?? { kind: "ended", text: describeEnd(end) }, now);
    const isOfFailedLoad = worker.generation > this.#current;
    const lived = worker.readyAt === 0 ? 0 : now - worker.readyAt;
    if (!isOfFailedLoad && !wasAsked) this.#backoff.note(lived, worker.served, now);
    this.#fill(now);
    return isOfFailedLoad ? null : this.#backoff.pause(now);
  }

  /** The launcher has ended; `text` says why. */
  launcherEnded(text: string, now: number): void {
    this.#giveUp({ kind: "launcher", text }, now);
    this.#backoff.note(0, 0, now);
  }

  kill(worker: Worker, now: number): void {
    worker.killAt = now + KILL_AGAIN_SECONDS;
    this.#listener.kill(worker);
  }

  /** All workers finish what they run, at most until `killAt`; no other is started. */
  stop(killAt: number, now: number): void {
    this.#isStopping = true;
    for (const worker of this.#table.all)
      if (worker.state === "starting") this.#dismiss(worker, now);
      else worker.drain(killAt);
  }

  tick(now: number): void {
    if (now >= this.#yieldUntil) this.#endYielding();
    for (const worker of this.#table.all) {
      if (worker.overdue.size > 0) this.#checkOverdue(worker, now);
      if (now < worker.killAt) continue;
      const { startTimeout } = this.#options;
      const text = `the application did not load within ${startTimeout} s (--start-timeout)`;
      if (worker.state === "starting") worker.failure ??= { kind: "timeout", text };
      this.kill(worker, now);
    }
    if (!this.#isStopping && this.#phase !== "loading") {
      const due = this.#recycling.markNext(this.#table.all, now);
      if (due !== null) this.#listener.onRecycle(due);
      this.#fill(now);
    }
    this.hasNoWorkers =
      this.#staying() === 0 && this.#table.takers.length === 0 && !this.#backoff.mayStart(now);
  }

  #staying(): number {
    return this.#table.all.filter((worker) => worker.isStaying).length;
  }

  #start(generation: number, now: number): void {
    const maxRequests = this.#recycling.drawMaxRequests();
    const worker = this.#table.add({ generation, startedAt: now, maxRequests });
    worker.killAt = now + this.#options.startTimeout;
    this.#listener.start(worker);
  }

  // Starts the workers that are missing.
  #fill(now: number): void {
    const isLoading = this.#phase === "loading" || this.#current === 0;
    if (this.#isStopping || isLoading || !this.#backoff.mayStart(now)) return;
    for (let staying = this.#staying(); staying < this.#options.workers; staying += 1)
      this.#start(this.#current, now);
  }

  #loadingWorkers(): readonly Worker[] {
    return this.#table.all.filter(({ generation }) => generation === this.#last);
  }

  #commit(loading: readonly Worker[], now: number): void {
    this.#current = this.#last;
    for (const worker of loading) worker.take();
    for (const worker of this.#table.all) {
      if (worker.generation === this.#current) continue;
      if (worker.state === "taking") this.#yielding.add(worker);
      if (worker.state === "starting" || worker.state === "loaded") this.#dismiss(worker, now);
      else this.#retire(worker, now);
    }
    // The load has succeeded when no old worker takes: then the new code answers every request that comes.
    this.#phase = "yielding";
    this.#yieldUntil = now + YIELD_SECONDS;
    if (this.#yielding.size === 0) this.#endYielding();
  }

  #endYielding(): void {
    if (this.#phase !== "yielding") return;
    this.#phase = "none";
    this.#yielding.clear();
    this.#settle(null);
  }

  #giveUp(failure: LoadFailure, now: number): void {
    if (this.#phase !== "loading") return;
    this.#phase = "none";
    for (const worker of this.#loadingWorkers()) this.#dismiss(worker, now);
    this.#settle(failure);
  }

  // The worker takes no more and finishes what it runs.
  #retire(worker: Worker, now: number): void {
    worker.drain(now + this.#options.drainTimeout);
  }

  // Ends a worker that has not taken anything yet.
  #dismiss(worker: Worker, now: number): void {
    worker.drain(Infinity);
    this.kill(worker, now);
  }

  // A new worker takes: as many of those that are to leave may stop.
  #relieve(now: number): void {
    const { takers } = this.#table;
    let surplus = takers.length - this.#options.workers;
    for (const worker of takers) {
      if (surplus <= 0) return;
      if (worker.leaving === null) continue;
      this.#retire(worker, now);
      surplus -= 1;
    }
  }

  // The client of an overdue request has been answered, and the worker was told to interrupt the request.
  // If it does not come back within the grace, another worker takes its place.
  #checkOverdue(worker: Worker, now: number): void {
    if (now - worker.overdueSince() < OVERDUE_GRACE) return;
    if (worker.state !== "draining") this.#retire(worker, now);
    else if (worker.hasOnlyOverdue()) worker.killAt = now;
  }
}

function describeEnd({ code, signal }: WorkerEnd): string {
  const how = signal === null ? `with exit code ${code}` : `by signal ${signal}`;
  return `the worker ended ${how} before the application was loaded`;
}
