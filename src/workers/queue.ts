// The queue of one application: a kernel pipe that all free workers read, and what waits in front of
// it. The pipe does the dispatch: first come, first served, always to a worker that is free. This
// file knows jobs and one descriptor; it does not know workers.
//
//   submit ─▶ waiting (here; may be dropped) ─▶ pipe (a page each) ─▶ a worker
//
// The pipe is kept short, `depth` jobs written and not finished, because what lies in it can be
// neither dropped nor reordered.

import { writeSync } from "node:fs";

import { BusyRate } from "./busy-rate.ts";
import { monotonic } from "./clock.ts";
import type { Job } from "./job.ts";
import { PAGE_BYTES, PageBatch } from "./page.ts";

/** Pages that lie in the pipe per worker beyond what the workers run: 8 … 32 measured alike. */
const PIPED_PAGES_A_WORKER = 16;
/** Pages of the pipe left for fences. */
const FENCE_PAGES = 8;
/** Pages that one turn of the event loop gathers before they are written. */
const BATCH_PAGES = 16;

export interface QueueOptions {
  /** Jobs that may wait, in the pipe and in front of it, beyond those that can run. 503 QUEUE_FULL. */
  readonly limit: number;
  /** How long a job may wait before it is begun, seconds. 503 QUEUE_TIMEOUT. */
  readonly timeout: number;
  /** Requests that can run at once in all workers. */
  readonly capacity: number;
  readonly workers: number;
  /** Pages that fit into the pipe, as the launcher reports them. */
  readonly pipePages: number;
}

/** What became of a job that was submitted: taken, or not because too many wait, or too long. */
export type Admission = "taken" | "queue-full" | "overloaded";

/** One application's queue over its pipe. */
export class RequestQueue {
  readonly #options: QueueOptions;
  readonly #fd: number;
  readonly #batch = new PageBatch(BATCH_PAGES);
  #isFlushPlanned = false;
  readonly #depth: number;
  /** Jobs in front of the pipe; those before `#first` are gone. */
  #waiting: Job[] = [];
  #first = 0;
  /** Jobs in `#waiting` that were dropped: skipped when their turn comes. */
  #dropped = 0;
  /** Jobs that were written and have not ended. */
  #written = 0;
  /** Pages written so far, and where among them the fences lie that have not been taken. */
  #order = 0;
  readonly #fences = new Map<number, number>();
  /** The fence that stirs, until it has been taken; 0: none. */
  #stirrer = 0;
  /** Pages that had been written at the last tick, and when sleepers were last stirred. */
  #writtenBefore = 0;
  #stirredAt = 0;

  readonly #rate = new BusyRate();

  /** `fd`: the pipe, opened for writing without waiting. */
  constructor(fd: number, options: QueueOptions) {
    this.#options = options;
    this.#fd = fd;
    this.#depth = Math.min(
      options.capacity + PIPED_PAGES_A_WORKER * options.workers,
      Math.max(1, options.pipePages - FENCE_PAGES),
    );
  }

  /** Jobs that wait in front of the pipe. */
  get waiting(): number {
    return this.#waiting.length - this.#first - this.#dropped;
  }

  /** Takes a job that has its id, or says why not. */
  submit(job: Job): Admission {
    job.submittedAt = monotonic();
    if (this.waiting + this.#written >= this.#options.capacity + this.#options.limit)
      return "queue-full";
    const isFree = this.#first === this.#waiting.length && this.#written < this.#depth;
    if (isFree && this.#write(job)) return "taken";
    if (this.#isHopeless()) return "overloaded";
    job.state = "waiting";
    this.#waiting.push(job);
    return "taken";
  }

  /** Counts; called by the coarse clock. */
  tick(now: number): void {
    this.#rate.tick(now, this.waiting > 0);
    this.pump();
  }

  // Whether a request that comes now would wait in vain, at the rate of the last seconds. While nobody
  // waits in front of the pipe everybody is let in, so a rate that is wrong cannot close the tap.
  #isHopeless(): boolean {
    return this.waiting > 0 && this.#expectedWait() > this.#options.timeout;
  }

  // Of one who comes now, seconds; 0 while no rate is known.
  #expectedWait(): number {
    const ahead = this.waiting + Math.max(0, this.#written - this.#options.capacity);
    return ahead / this.#rate.perSecond;
  }

  /** A job that was written has ended, or no longer keeps others waiting: its place goes to the next. */
  release(job: Job): void {
    if (!job.holdsPlace) return;
    job.holdsPlace = false;
    this.#written -= 1;
    this.#rate.count();
    if (this.#first < this.#waiting.length) this.pump();
  }

  /** Writes what waits, as far as the pipe's depth allows. */
  pump(): void {
    if (this.#batch.pages > 0) this.flush();
    while (this.#first < this.#waiting.length && this.#written < this.#depth) {
      const job = this.#waiting[this.#first];
      if (job?.state !== "waiting") this.#dropped -= 1;
      else if (!this.#write(job)) break;
      this.#first += 1;
    }
    this.#compact();
  }

  /** A waiting job has become "done" without having been written; its place is skipped. */
  drop(): void {
    this.#dropped += 1;
  }

  /** Removes and returns the jobs whose time to wait is over. Called by the coarse clock. */
  takeExpired(now: number): Job[] {
    const expired: Job[] = [];
    while (this.#first < this.#waiting.length) {
      const job = this.#waiting[this.#first];
      if (job?.state !== "waiting") this.#dropped -= 1;
      else if (now - job.submittedAt >= this.#options.timeout) expired.push(job);
      else break;
      this.#first += 1;
    }
    this.#compact();
    return expired;
  }

  /** Removes and returns the jobs at the end that were let in before it was known that they wait in vain. */
  takeHopeless(now: number): Job[] {
    const hopeless: Job[] = [];
    while (this.#first < this.#waiting.length) {
      const job = this.#waiting.at(-1);
      if (job?.state !== "waiting") this.#dropped -= 1;
      else if (now - job.submittedAt + this.#expectedWait() > this.#options.timeout)
        hopeless.push(job);
      else break;
      this.#waiting.pop();
    }
    this.#compact();
    return hopeless;
  }

  /** Removes and returns all that waits in front of the pipe. */
  takeAll(): Job[] {
    const jobs = this.#waiting.slice(this.#first).filter((job) => job.state === "waiting");
    this.#waiting = [];
    this.#first = 0;
    this.#dropped = 0;
    return jobs;
  }

  /** Writes `count` fences, as many as fit: they wake sleepers, which find what was stranded. */
  fence(count: number, nextId: () => number): void {
    // It may be gone with a worker.
    this.#stirrer = 0;
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
   * Wakes one more sleeper if pages that were written a tick ago may lie there still: whoever was woken
   * for them cannot read while another thread of its process holds the interpreter's lock, and the
   * kernel wakes nobody else. Called by the coarse clock.
   */
  stir(nextId: () => number): void {
    const mayLie = this.#written > 0 && this.#writtenBefore > this.#stirredAt;
    if (mayLie && this.#stirrer === 0 && (!this.#batch.isFull || this.flush())) {
      this.#stirrer = nextId();
      this.#batch.addFence(this.#stirrer);
      this.flush();
      this.#stirredAt = this.#order;
    }
    this.#writtenBefore = this.#order;
  }

  /** A fence has been taken: its place among the pages, 0 if it proves nothing about them. */
  takeFence(id: number): number {
    if (id === this.#stirrer) this.#stirrer = 0;
    const order = this.#fences.get(id) ?? 0;
    this.#fences.delete(id);
    return order;
  }

  /** Seconds after which a job submitted at `submittedAt` may not be begun any more. */
  latest(job: Job): number {
    return job.submittedAt + this.#options.timeout;
  }

  /** Writes nothing more: whoever has opened the pipe closes it. */
  close(): void {
    // A flush that is still planned must not write into whatever has this descriptor by then.
    this.#batch.clear();
  }

  /**
   * Writes the gathered pages. One write wakes one sleeper, so there are as many writes as there may be
   * sleepers, and no more (docs/decisions/0001). False: the pipe is full, the rest stays.
   */
  flush(): boolean {
    this.#isFlushPlanned = false;
    const { pages } = this.#batch;
    let first = 0;
    for (let writes = Math.min(pages, this.#options.workers); writes > 0; writes -= 1) {
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
    this.#batch.add({
      id: job.id,
      latest: this.latest(job),
      names: job.names,
      values: job.values,
      body: job.body,
      isBodyInFile: job.isBodyInFile,
      isBodyStreamed: job.isBodyStreamed,
      isWebSocket: job.isWebSocket,
    });
    job.state = "queued";
    job.holdsPlace = true;
    this.#order += 1;
    job.order = this.#order;
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
      if (error instanceof Error && "code" in error && error.code === "EAGAIN") return 0;
      throw error;
    }
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
