// Who works for a pool: how many workers there are, of which load of the code, and who takes whose place.
// A new worker always stands ready before an old one stops taking.
//
//   load():  N start beside the old ─▶ all are ready ─▶ they take, the old stop taking
//                                  └─▶ one fails ────▶ the new are killed, the old stay
//   an end, a recycling: one starts ─▶ is ready, takes ─▶ one that is to leave stops taking

import { Backoff } from "./backoff.ts";
import { Recycling, type RecyclingOptions } from "./recycling.ts";
import type { WorkerTable } from "./worker-table.ts";
import type { LoadFailure, Worker } from "./worker.ts";

export interface StaffingOptions extends RecyclingOptions {
  readonly workers: number;
  readonly threads: number;
  /** For a worker to be ready, seconds. */
  readonly startTimeout: number;
  /** For a worker that takes no more to finish what it runs, seconds; then it is killed. */
  readonly drainTimeout: number;
}

export interface StaffingDesk {
  start(worker: Worker): void;
  kill(worker: Worker): void;
  onReady(worker: Worker): void;
  onRecycle(worker: Worker): void;
}

/** A load of the code that has begun. */
interface Loading {
  readonly generation: number;
  readonly workers: readonly Worker[];
  readonly settle: PromiseWithResolvers<LoadFailure | null>;
}

/** For an old worker to say that it takes no more; one that cannot say it can hardly take, seconds. */
const YIELD_SECONDS = 1;

/** A load whose workers take, while some of the old code have not yet said that they do not. */
interface Yielding {
  readonly workers: Set<Worker>;
  readonly until: number;
  readonly settle: PromiseWithResolvers<LoadFailure | null>;
}

export class Staffing {
  readonly #workers: WorkerTable;
  readonly #options: StaffingOptions;
  readonly #desk: StaffingDesk;
  readonly #backoff = new Backoff();
  readonly #recycling: Recycling;
  /** The generation that serves, and the last that was begun. */
  #current = 0;
  #last = 0;
  #loading: Loading | null = null;
  #yielding: Yielding | null = null;

  constructor(workers: WorkerTable, options: StaffingOptions, desk: StaffingDesk) {
    this.#workers = workers;
    this.#options = options;
    this.#desk = desk;
    this.#recycling = new Recycling(options);
  }

  /** Loads the code anew beside the workers there are; resolves with null when it serves, or why not. */
  load(): Promise<LoadFailure | null> {
    this.#giveUp({ kind: "superseded", text: "another load of the application began" });
    this.#last += 1;
    const generation = this.#last;
    const workers = Array.from({ length: this.#options.workers }, () => this.#add(generation));
    this.#loading = { generation, workers, settle: Promise.withResolvers() };
    for (const worker of workers) this.#desk.start(worker);
    return this.#loading.settle.promise;
  }

  /** The worker has loaded the application. */
  ready(worker: Worker, now: number): void {
    worker.load(now);
    const loading = this.#loading;
    if (loading === null || worker.generation !== loading.generation) this.#take(worker);
    else if (this.#workers.takers === 0) {
      // Nobody serves: whoever is first does, the others follow.
      this.#take(worker);
      this.#commit(loading, now);
    } else if (loading.workers.every(({ state }) => state === "loaded")) this.#commit(loading, now);
    this.#desk.onReady(worker);
    this.#relieve(now);
  }

  /** A worker has gone. `wasAsked`: it had been told to. True: it belongs to a load that has failed. */
  ended(worker: Worker, failure: LoadFailure, wasAsked: boolean, now: number): boolean {
    this.stopped(worker);
    if (worker.generation === this.#loading?.generation) this.#giveUp(failure);
    // Others of a load that was given up fail in the same way.
    if (worker.generation > this.#current) return true;
    const lived = worker.readyAt === 0 ? 0 : now - worker.readyAt;
    if (!wasAsked) this.#backoff.note(lived, worker.served, now);
    return false;
  }

  /** The worker takes no more. */
  stopped(worker: Worker): void {
    const yielding = this.#yielding;
    yielding?.workers.delete(worker);
    if (yielding?.workers.size === 0) this.#endYielding();
  }

  /** Nobody can be started for the moment; `text` says why. */
  setBack(text: string, now: number): void {
    this.#giveUp({ kind: "launcher", text });
    this.#backoff.note(0, 0, now);
  }

  /** Seconds until somebody may be started; more than 0 while workers end soon after their start. */
  pause(now: number): number {
    return this.#backoff.pause(now);
  }

  /** Nobody takes, and nobody is about to. */
  isUnstaffed(now: number): boolean {
    return (
      this.#workers.staying === 0 && this.#workers.takers === 0 && !this.#backoff.mayStart(now)
    );
  }

  /** Starts who is missing. */
  fill(now: number): void {
    if (this.#loading !== null || this.#current === 0 || !this.#backoff.mayStart(now)) return;
    for (let staying = this.#workers.staying; staying < this.#options.workers; staying += 1)
      this.#desk.start(this.#add(this.#current));
  }

  tick(now: number): void {
    if (this.#yielding !== null && now >= this.#yielding.until) this.#endYielding();
    for (const worker of this.#workers.all) {
      if (worker.state !== "starting" || now - worker.startedAt < this.#options.startTimeout)
        continue;
      const { startTimeout } = this.#options;
      const text = `the application did not load within ${startTimeout} s (--start-timeout)`;
      worker.failure ??= { kind: "timeout", text };
      this.#desk.kill(worker);
    }
    if (this.#loading !== null) return;
    const due = this.#recycling.markNext(this.#workers, now);
    if (due !== null) this.#desk.onRecycle(due);
    this.fill(now);
  }

  /** It takes no more and finishes what it runs. */
  retire(worker: Worker, now: number): void {
    worker.drain(now + this.#options.drainTimeout);
  }

  #add(generation: number): Worker {
    return this.#workers.add({
      threads: this.#options.threads,
      generation,
      maxRequests: this.#recycling.drawMaxRequests(),
    });
  }

  #take(worker: Worker): void {
    // It was started before the code that serves now was loaded.
    if (worker.generation < this.#current) this.#dismiss(worker);
    else worker.take();
  }

  #commit(loading: Loading, now: number): void {
    this.#endYielding();
    this.#loading = null;
    this.#current = loading.generation;
    for (const worker of loading.workers) worker.take();
    const workers = new Set<Worker>();
    for (const worker of this.#workers.all) {
      if (worker.generation >= this.#current) continue;
      if (worker.state === "taking") workers.add(worker);
      if (worker.state === "starting" || worker.state === "loaded") this.#dismiss(worker);
      else this.retire(worker, now);
    }
    // Only then is every request that comes answered by the new code.
    this.#yielding = { workers, until: now + YIELD_SECONDS, settle: loading.settle };
    if (workers.size === 0) this.#endYielding();
  }

  #endYielding(): void {
    this.#yielding?.settle.resolve(null);
    this.#yielding = null;
  }

  #giveUp(failure: LoadFailure): void {
    const loading = this.#loading;
    if (loading === null) return;
    this.#loading = null;
    for (const worker of loading.workers) if (worker.state !== "ended") this.#dismiss(worker);
    loading.settle.resolve(failure);
  }

  // It has not taken anything yet.
  #dismiss(worker: Worker): void {
    worker.drain(Infinity);
    this.#desk.kill(worker);
  }

  // Somebody new takes: as many of those who are to leave may go.
  #relieve(now: number): void {
    const takers = this.#workers.all.filter(({ state }) => state === "taking");
    let surplus = takers.length - this.#options.workers;
    for (const worker of takers) {
      if (surplus <= 0) return;
      if (worker.leaving === null) continue;
      this.retire(worker, now);
      surplus -= 1;
    }
  }
}
