// The queue of one application: a kernel pipe that all free workers read, and the jobs that wait in front of
// it. The pipe dispatches: first come, first served, always to a worker that is free. Knows jobs and one
// descriptor, no workers.
//
//   submit ─▶ waiting (here; may be dropped) ─▶ pipe (a page each) ─▶ a worker
//
// The pipe is kept short, at most `depth` jobs written and not finished: a page in the pipe can be neither
// dropped nor reordered.

import { writeSync } from "node:fs";

import { BusyRate } from "./busy-rate.ts";
import type { Job } from "./job.ts";
import { PAGE_BYTES, PageBatch } from "./page.ts";

/** Pages in the pipe per worker beyond the requests that the workers run: 8 … 32 measured alike. */
const PIPED_PAGES_A_WORKER = 16;
/** Pages of the pipe left for fences. */
const FENCE_PAGES = 8;
/** So many jobs that are done may stand among the waiting ones, or as many as wait: each keeps its request's head. */
const MAX_DROPPED = 64;
/** Pages that one turn of the event loop gathers before they are written. */
const BATCH_PAGES = 16;

export interface QueueOptions {
  /** Jobs that may wait, in the pipe and in front of it, beyond those that can run. 503 QUEUE_FULL. */
  readonly limit: number;
  /** How long a job may wait before it is begun. 503 QUEUE_TIMEOUT. */
  readonly timeoutMs: number;
  /** Requests that can run at once in all workers. */
  readonly capacity: number;
  readonly workers: number;
  /** Pages that fit into the pipe, as the launcher reports them. */
  readonly pipePages: number;
}

/** Whether a job was taken; if not, because too many wait, or because it would wait too long. */
export type Admission = "taken" | "queue-full" | "overloaded";

/** One application's queue over its pipe. */
export class RequestQueue {
  readonly #options: QueueOptions;
  readonly #fd: number;
  readonly #batch = new PageBatch(BATCH_PAGES);
  #isFlushPlanned = false;
  /** Requests that can run at once, workers, and pages that may be in the pipe. */
  #capacity = 0;
  #workers = 0;
  #depth = 0;
  /** Jobs in front of the pipe, from index `#first` on. */
  #waiting: Job[] = [];
  #first = 0;
  /** Jobs among them that are done: they are skipped when their turn comes. */
  #dropped = 0;
  /** Jobs that have a place in the pipe: written, and neither ended nor running beside others. */
  #written = 0;
  /** Pages and fences written so far. */
  #order = 0;
  /** Ids of the fences that have not been taken, and their places among the pages. */
  readonly #fences = new Map<number, number>();
  /** Id of the fence of `wakeOne` that has not been taken; 0: there is none. */
  #wakeFence = 0;
  /** `#order` at the last tick, and when `wakeOne` last wrote a fence. */
  #orderAtTick = 0;
  #orderAtWake = 0;

  readonly #rate = new BusyRate();

  /** `fd`: the pipe, opened for writing without blocking. */
  constructor(fd: number, options: QueueOptions) {
    this.#options = options;
    this.#fd = fd;
    this.resize(options.workers, options.capacity);
  }

  /** Takes the number of workers, and of requests that can run at once in all of them. */
  resize(workers: number, capacity: number): void {
    this.#workers = workers;
    this.#capacity = capacity;
    this.#depth = Math.min(
      capacity + PIPED_PAGES_A_WORKER * workers,
      Math.max(1, this.#options.pipePages - FENCE_PAGES),
    );
  }

  /** Jobs that wait in front of the pipe. */
  get waiting(): number {
    return this.#waiting.length - this.#first - this.#dropped;
  }

  /** How long a job may wait before it is begun. */
  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /** Takes a job that has its id and time, or says why not. */
  submit(job: Job): Admission {
    if (this.waiting + this.#written >= this.#capacity + this.#options.limit) return "queue-full";
    const isFree = this.#first === this.#waiting.length && this.#written < this.#depth;
    if (isFree && this.#write(job)) return "taken";
    // While no job waits in front of the pipe every job is let in, so that a wrong rate cannot shut the
    // queue for good.
    if (this.waiting > 0 && this.#expectedWaitMs() > this.#options.timeoutMs) return "overloaded";
    job.wait();
    if (this.#dropped > MAX_DROPPED && this.#dropped > this.waiting) this.#forgetDropped();
    this.#waiting.push(job);
    return "taken";
  }

  /** Called by the coarse clock: measures the rate, and writes pages that a full pipe has kept back. */
  tick(now: number): void {
    this.#rate.tick(now, this.waiting > 0);
    this.pump();
  }

  // How long a job that comes now would wait; 0 while the rate is unknown.
  #expectedWaitMs(): number {
    const ahead = this.waiting + Math.max(0, this.#written - this.#capacity);
    return ahead / this.#rate.perMs;
  }

  /** A job has ended, or no longer keeps others waiting: its place, if it had one, goes to the next. */
  release(job: Job): void {
    if (!job.leavePipe()) return;
    this.#written -= 1;
    this.#rate.count();
    if (this.#first < this.#waiting.length) this.#fill();
  }

  /** Writes what a full pipe has kept back, and waiting jobs, as far as the pipe's depth allows. */
  pump(): void {
    if (this.#batch.pages > 0) this.flush();
    this.#fill();
  }

  /** Gathers pages of waiting jobs for the end of the turn. */
  #fill(): void {
    while (this.#first < this.#waiting.length && this.#written < this.#depth) {
      const job = this.#waiting[this.#first];
      if (job?.state !== "waiting") this.#dropped -= 1;
      else if (!this.#write(job)) break;
      this.#first += 1;
    }
    this.#compact();
  }

  /** A waiting job is about to end: its turn is skipped. */
  drop(): void {
    this.#dropped += 1;
  }

  /** The oldest waiting job, if its time to wait is over. */
  findExpired(now: number): Job | undefined {
    while (this.#waiting[this.#first]?.state === "done") {
      this.#dropped -= 1;
      this.#first += 1;
    }
    this.#compact();
    const job = this.#waiting[this.#first];
    return job !== undefined && now - job.submittedAt >= this.#options.timeoutMs ? job : undefined;
  }

  /**
   * The newest waiting job, if it would wait longer than it may at the rate of the last seconds. It was let
   * in before that rate was known.
   */
  findOverload(now: number): Job | undefined {
    while (this.waiting > 0 && this.#waiting.at(-1)?.state === "done") {
      this.#dropped -= 1;
      this.#waiting.pop();
    }
    const job = this.waiting > 0 ? this.#waiting.at(-1) : undefined;
    if (job === undefined) return undefined;
    const isLate = now - job.submittedAt + this.#expectedWaitMs() > this.#options.timeoutMs;
    return isLate ? job : undefined;
  }

  /**
   * Writes `count` fences, or as many as fit. Each wakes one sleeping worker, which finds pages whose own
   * wake-up went to a worker that has ended.
   */
  fence(count: number, nextId: () => number): void {
    // The fence of wakeOne may have gone with that worker.
    this.#wakeFence = 0;
    for (let i = 0; i < Math.min(count, FENCE_PAGES); i += 1) {
      if (this.#batch.isFull && !this.flush()) return;
      const id = nextId();
      this.#batch.addFence(id);
      this.#order += 1;
      this.#fences.set(id, this.#order);
    }
    this.flush();
  }

  /**
   * Called by the coarse clock: wakes one more sleeping worker, if pages that were written before the last
   * tick may still be in the pipe. The thread that the kernel woke for them cannot read while another thread
   * of its process holds the interpreter's lock, and the kernel wakes no second one for the same page.
   */
  wakeOne(nextId: () => number): void {
    const mayBeUnread = this.#written > 0 && this.#orderAtTick > this.#orderAtWake;
    if (mayBeUnread && this.#wakeFence === 0 && (!this.#batch.isFull || this.flush())) {
      this.#wakeFence = nextId();
      this.#batch.addFence(this.#wakeFence);
      this.flush();
      this.#orderAtWake = this.#order;
    }
    this.#orderAtTick = this.#order;
  }

  /** A fence has been taken. Returns its place among the pages; 0 for a fence of `wakeOne`, which has none. */
  takeFence(id: number): number {
    if (id === this.#wakeFence) this.#wakeFence = 0;
    const order = this.#fences.get(id) ?? 0;
    this.#fences.delete(id);
    return order;
  }

  /** Writes nothing more. The pipe is closed by its opener. */
  close(): void {
    // A flush that is still planned must not write into another file that gets this descriptor's number.
    this.#batch.clear();
  }

  /**
   * Writes the gathered pages. One write wakes one sleeping worker, so there are at most as many writes as
   * workers (docs/decisions/0001). False: the pipe is full, and the rest stays gathered.
   */
  flush(): boolean {
    this.#isFlushPlanned = false;
    const { pages } = this.#batch;
    let first = 0;
    for (let writes = Math.min(pages, this.#workers); writes > 0; writes -= 1) {
      const count = Math.ceil((pages - first) / writes);
      const written = this.#put(first, count);
      first += written;
      if (written < count) break;
    }
    if (first === pages) this.#batch.clear();
    else this.#batch.drop(first);
    return first === pages;
  }

  #write(job: Job): boolean {
    if (this.#batch.isFull && !this.flush()) return false;
    this.#batch.add(job.id, job.submittedAt + this.#options.timeoutMs, job.request);
    this.#order += 1;
    job.enqueue(this.#order);
    this.#written += 1;
    if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      setImmediate(() => this.flush());
    }
    return true;
  }

  // Returns how many pages went into the pipe: the kernel takes whole pages only.
  #put(first: number, count: number): number {
    const { bytes } = this.#batch;
    try {
      return writeSync(this.#fd, bytes, first * PAGE_BYTES, count * PAGE_BYTES, null) / PAGE_BYTES;
    } catch (error) {
      // Full, or no memory for its buffers: the pages stay gathered, and the clock flushes them (wakeOne).
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "EAGAIN" || code === "ENOMEM") return 0;
      throw error;
    }
  }

  #forgetDropped(): void {
    const before = this.#waiting.length - this.#first;
    this.#waiting = this.#waiting.filter(
      ({ state }, index) => index >= this.#first && state === "waiting",
    );
    this.#first = 0;
    this.#dropped -= before - this.#waiting.length;
  }

  #compact(): void {
    if (this.#first === this.#waiting.length) {
      if (this.#first > 0) this.#waiting = [];
      this.#first = 0;
      return;
    }
    // Half of the array or more is gone: move the rest to its front.
    if (this.#first < 1024 || this.#first * 2 < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
  }
}
