// The rules by which workers start and end: how many there are, which load of the code they have, which worker
// replaces another, and when one is killed. A new worker is ready before an old one stops taking requests.
// Pure: callers give the time as `now`, processes are behind WorkerSetListener.
//
//   load():  N start beside the old ─▶ all are ready ─▶ they take, the old stop taking
//                                  └─▶ one fails ────▶ the new are killed, the old stay
//                  the very first load without a chosen number: one starts, the others follow when it takes
//   end, recycling, overdue:  one starts ─▶ is ready, takes ─▶ one that is to leave stops taking

import { Backoff } from "../processes/backoff.ts";
import { FrameType } from "./frame.ts";
import { LoadWatch } from "./load-watch.ts";
import { Recycling, type RecyclingOptions } from "./recycling.ts";
import type { WorkerTable } from "./worker-table.ts";
import type { WorkerExit } from "./worker-exits.ts";
import type { LoadFailure, Worker, WorkerEnd } from "./worker.ts";

export interface WorkerSetOptions extends RecyclingOptions {
  readonly workers: number;
  /** Whether the operator has chosen `workers`; else an application that needs a single process has one. */
  readonly areWorkersChosen: boolean;
  /** Time for a worker to become ready. */
  readonly startTimeoutMs: number;
  /** Time for a worker that takes no more requests to finish the running ones; then it is killed. */
  readonly drainTimeoutMs: number;
  /** How long the application may keep the event loop of an ASGI worker; 0: for ever. */
  readonly loopTimeoutMs: number;
}

export interface WorkerSetListener {
  /** A load takes more than a moment. `workers`: how many load the code now; further ones may follow the first. */
  onLoading(workers: number): void;
  /** A load has lasted for so long. */
  onStillLoading(lastedMs: number): void;
  /** No further worker of this generation is started. */
  onRetired(generation: number): void;
  /** The worker has not loaded the application in time, and is killed in a moment. */
  onStartOverdue(worker: Worker): void;
  /** Start the worker's process. */
  start(worker: Worker): void;
  /** Kill the worker's process; asked again until the worker has ended. */
  kill(worker: Worker): void;
  onReady(worker: Worker): void;
  /** The worker will be replaced, although it has no fault. */
  onRecycle(worker: Worker): void;
  /** The worker's event loop does not come back; it is to be interrupted. */
  onLoopBlocked(worker: Worker): void;
}

/** Time in which the stack of a worker that has not loaded in time is read, before it is killed. */
const LAST_LOOK_MS = 1000;
/** Time for an old worker to confirm that it takes no more; a stuck one does not delay the load. */
const YIELD_MS = 1000;
/** Time for a worker to end a request that was interrupted at its deadline. */
const OVERDUE_GRACE_MS = 1000;
/**
 * Time for a process to end after its channel, once its exit functions have run. The end of one that is dead may
 * stay unreported, because its template is stuck.
 */
const LAST_EXIT_MS = 5000;
/** A kill is repeated after this time, because the launcher that carries it may die. */
const KILL_AGAIN_MS = 1000;

export class WorkerSet {
  /** Whether no worker takes requests or will take some soon; updated by `tick`. */
  hasNoWorkers = false;
  readonly #table: WorkerTable;
  readonly #options: WorkerSetOptions;
  readonly #listener: WorkerSetListener;
  readonly #backoff = new Backoff();
  readonly #recycling: Recycling;
  readonly #watch = new LoadWatch();
  /**
   *   none ──load──▶ loading ──all are ready──▶ yielding ──the old take no more──▶ none
   *                     └─────────────one failed, the launcher ended──────────────▲
   */
  #phase: "none" | "loading" | "yielding" = "none";
  #settle: (failure: LoadFailure | null) => void = () => undefined;
  /** The generation that takes requests, and the newest one. */
  #current = 0;
  #last = 0;
  /** The number of workers that the application is to have. */
  #workers: number;
  /** Old workers that have not confirmed that they take no more, and when the load stops waiting for them. */
  readonly #yielding = new Set<Worker>();
  #yieldUntil = 0;
  #isStopping = false;

  constructor(table: WorkerTable, options: WorkerSetOptions, listener: WorkerSetListener) {
    this.#table = table;
    this.#options = options;
    this.#workers = options.workers;
    this.#listener = listener;
    this.#recycling = new Recycling(options);
  }

  /** The generation that takes requests. */
  get generation(): number {
    return this.#current;
  }

  /** The number of workers that the application is to have. */
  get workers(): number {
    return this.#workers;
  }

  /** Loads the code in new workers. Resolves with null when the new code serves, else with the reason. */
  load(now: number): Promise<LoadFailure | null> {
    this.#failLoad({ kind: "superseded", text: "another load of the application began" }, now);
    this.#endYielding();
    this.#last += 1;
    this.#phase = "loading";
    const { promise, resolve } = Promise.withResolvers<LoadFailure | null>();
    this.#settle = resolve;
    // The first worker alone: what it finds may mean that no other one is to be loaded beside it.
    const isAlone = this.#current === 0 && !this.#options.areWorkersChosen;
    const count = isAlone ? 1 : this.#workers;
    this.#watch.begin(now);
    for (let started = 0; started < count; started += 1) this.#start(this.#last, now);
    return promise;
  }

  /** The worker has loaded the application. */
  ready(worker: Worker, now: number): void {
    // A worker that was told to stop in the meantime stays so.
    if (worker.state !== "starting") return;
    worker.load(now);
    worker.killAt = Infinity;
    if (this.#isSingle(worker) && worker.generation > this.#current)
      for (const other of this.#loadingWorkers()) if (other !== worker) this.#dismiss(other, now);
    const loading = this.#loadingWorkers().filter(({ isStaying }) => isStaying);
    if (worker.generation === this.#current) worker.take();
    // If no worker serves, the first ready worker begins alone, and the others follow.
    else if (this.#table.takers.length === 0 || loading.every(({ state }) => state === "loaded"))
      this.#commit(loading, now);
    this.hasNoWorkers = false;
    this.#listener.onReady(worker);
    this.#relieve(now);
  }

  /** The channel has ended: without one a worker can neither send a response nor receive a command. */
  closed(worker: Worker, now: number): void {
    if (worker.state !== "draining" || worker.fault !== null) this.kill(worker, now);
    else worker.killAt = Math.min(worker.killAt, now + LAST_EXIT_MS);
  }

  /** The worker has confirmed that it takes no more requests. */
  stopped(worker: Worker): void {
    if (this.#yielding.delete(worker) && this.#yielding.size === 0) this.#endYielding();
  }

  /**
   * A worker has ended and was removed from the table. Returns the milliseconds until the next start; null if
   * the worker belonged to a load that has failed, because the caller of `load` gets that failure.
   */
  exited(
    { worker, end, wasAsked }: Omit<WorkerExit, "lost" | "retried">,
    now: number,
  ): number | null {
    this.stopped(worker);
    if (this.#phase === "loading" && worker.generation === this.#last)
      this.#failLoad(worker.failure ?? { kind: "ended", text: describeEnd(end) }, now);
    const isOfFailedLoad = worker.generation > this.#current;
    const livedMs = worker.readyAt === 0 ? 0 : now - worker.readyAt;
    if (!isOfFailedLoad && !wasAsked) this.#backoff.note(livedMs, worker.served, now);
    this.#fill(now);
    return isOfFailedLoad ? null : this.#backoff.pauseMs(now);
  }

  /** The launcher has ended; `text` says why. */
  launcherEnded(text: string, now: number): void {
    this.#failLoad({ kind: "launcher", text }, now);
    this.#backoff.note(0, 0, now);
  }

  kill(worker: Worker, now: number): void {
    worker.killAt = now + KILL_AGAIN_MS;
    this.#listener.kill(worker);
  }

  /** All workers finish running requests, at most until `killAt`; no worker is started any more. */
  stop(killAt: number, now: number): void {
    this.#isStopping = true;
    for (const worker of this.#table.all)
      if (worker.state === "starting") this.#dismiss(worker, now);
      else worker.drain(killAt, now);
  }

  tick(now: number): void {
    if (now >= this.#yieldUntil) this.#endYielding();
    for (const worker of this.#table.all) {
      if (worker.overdue.size > 0) this.#checkOverdue(worker, now);
      this.#checkLoop(worker, now);
      if (now < worker.killAt) continue;
      if (worker.state === "starting" && worker.failure === null) this.#failStart(worker, now);
      else this.kill(worker, now);
    }
    if (this.#phase === "loading") this.#tellLoad(now);
    if (!this.#isStopping && this.#phase !== "loading") {
      const due = this.#recycling.markNext(this.#table.all, now);
      if (due !== null) this.#listener.onRecycle(due);
      this.#fill(now);
    }
    this.hasNoWorkers =
      this.#staying() === 0 && this.#table.takers.length === 0 && !this.#backoff.mayStart(now);
  }

  #tellLoad(now: number): void {
    const due = this.#watch.due(now);
    if (due === "begun") this.#listener.onLoading(this.#loadingWorkers().length);
    if (due === "lasts") this.#listener.onStillLoading(this.#watch.lastedMs(now));
  }

  #failStart(worker: Worker, now: number): void {
    const seconds = this.#options.startTimeoutMs / 1000;
    const text = `the application did not load within ${seconds} s (--start-timeout)`;
    worker.failure = { kind: "timeout", text };
    worker.killAt = now + LAST_LOOK_MS;
    this.#listener.onStartOverdue(worker);
  }

  #isSingle({ single }: Worker): boolean {
    return single !== "" && !this.#options.areWorkersChosen;
  }

  #staying(): number {
    return this.#table.all.filter((worker) => worker.isStaying).length;
  }

  #start(generation: number, now: number): void {
    const maxRequests = this.#recycling.drawMaxRequests();
    const worker = this.#table.add({ generation, startedAt: now, maxRequests });
    worker.killAt = now + this.#options.startTimeoutMs;
    this.#listener.start(worker);
  }

  // Starts the workers that are missing.
  #fill(now: number): void {
    const isLoading = this.#phase === "loading" || this.#current === 0;
    if (this.#isStopping || isLoading || !this.#backoff.mayStart(now)) return;
    for (let staying = this.#staying(); staying < this.#workers; staying += 1)
      this.#start(this.#current, now);
  }

  #loadingWorkers(): readonly Worker[] {
    return this.#table.all.filter(({ generation }) => generation === this.#last);
  }

  #commit(loading: readonly Worker[], now: number): void {
    if (this.#current > 0) this.#listener.onRetired(this.#current);
    this.#current = this.#last;
    this.#workers = loading.some((worker) => this.#isSingle(worker)) ? 1 : this.#options.workers;
    for (const worker of loading) worker.take();
    for (const worker of this.#table.all) {
      if (worker.generation === this.#current) continue;
      if (worker.state === "taking") this.#yielding.add(worker);
      if (worker.state === "starting" || worker.state === "loaded") this.#dismiss(worker, now);
      else this.#retire(worker, now);
    }
    // The load has succeeded when no old worker takes requests: from then on the new code responds to every new
    // request.
    this.#phase = "yielding";
    this.#yieldUntil = now + YIELD_MS;
    if (this.#yielding.size === 0) this.#endYielding();
    this.#fill(now);
  }

  #endYielding(): void {
    if (this.#phase !== "yielding") return;
    this.#phase = "none";
    this.#yielding.clear();
    this.#settle(null);
  }

  #failLoad(failure: LoadFailure, now: number): void {
    if (this.#phase !== "loading") return;
    this.#phase = "none";
    for (const worker of this.#loadingWorkers()) this.#dismiss(worker, now);
    this.#listener.onRetired(this.#last);
    this.#settle(failure);
  }

  // Lets a worker finish its requests and take no more.
  #retire(worker: Worker, now: number): void {
    worker.drain(now + this.#options.drainTimeoutMs, now);
  }

  // Ends a worker that has not taken any request yet.
  #dismiss(worker: Worker, now: number): void {
    worker.drain(Infinity, now);
    this.kill(worker, now);
  }

  // A new worker takes requests, so a worker that will be replaced may stop.
  #relieve(now: number): void {
    const { takers } = this.#table;
    let surplus = takers.length - this.#workers;
    for (const worker of takers) {
      if (surplus <= 0) return;
      if (worker.leaving === null) continue;
      this.#retire(worker, now);
      surplus -= 1;
    }
  }

  // The client of an overdue request has its 504, and the worker was told to interrupt the request. If the
  // request is still running after OVERDUE_GRACE_MS, another worker replaces this one.
  #checkOverdue(worker: Worker, now: number): void {
    if (now - worker.overdueSince() < OVERDUE_GRACE_MS) return;
    if (worker.state !== "draining") this.#retire(worker, now);
    else if (worker.hasOnlyOverdue()) worker.killAt = now;
  }

  // Also of a worker that drains, as long as it runs requests: after them its loop ends, and waits for threads.
  #checkLoop(worker: Worker, now: number): void {
    const { loopTimeoutMs } = this.#options;
    const isDraining = worker.state === "draining";
    const isIdle = (): boolean => isDraining && worker.readNotes().length === 0;
    if (
      (worker.state !== "taking" && !isDraining) ||
      worker.interface !== "asgi" ||
      loopTimeoutMs === 0
    )
      return;
    switch (worker.loop.tick(now, loopTimeoutMs)) {
      case "ask":
        worker.say(FrameType.LOOP_ASKED);
        break;
      case "interrupt":
        if (isIdle()) worker.loop.answered(now);
        else this.#listener.onLoopBlocked(worker);
        break;
      case "replace":
        if (isIdle()) break;
        // No other request of that loop can go on either.
        worker.drain(now, now);
        break;
      case "none":
    }
  }
}

function describeEnd({ code, signal }: WorkerEnd): string {
  const how = signal === null ? `with exit code ${code}` : `by signal ${signal}`;
  return `the worker ended ${how} before the application was loaded`;
}
