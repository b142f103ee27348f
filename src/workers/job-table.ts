// The books of one pool: every job that has not ended, who has it, and what its frames mean. Writes
// jobs into the queue, gives answers back to them, and finds those that are late. Knows no process:
// workers are numbers here, reached through `send`.

import { monotonic } from "./clock.ts";
import type { Job, LostReason, Overdue } from "./job.ts";
import { findLate, locate, type Found } from "./late-jobs.ts";
import { LostPages } from "./lost-pages.ts";
import type { RequestQueue } from "./queue.ts";
import { fetchedFrames } from "./fetched.ts";
import { encodeCredit, encodeFrame, FrameFault, FrameType } from "./frame.ts";
import type { Note } from "./page.ts";

/** Bytes of a HEAD frame before the head: the second of taking and the head's length. */
const HEAD_PREFIX_BYTES = 12;
const CANCEL_CLIENT_GONE = 1;
const CANCEL_DEADLINE = 2;

export interface JobTableOptions {
  /** The shortest time that any job has (Job.timeout), seconds; Infinity: none has one. */
  readonly leastTimeout: number;
  /** Sends a frame to a worker by number; nothing happens if it is gone. */
  readonly send: (worker: number, frame: Buffer) => void;
}

/** Where it is written which pages are not to be begun. */
interface Cancels {
  cancel(id: number): void;
}

export class JobTable {
  readonly #options: JobTableOptions;
  readonly #jobs = new Map<number, Job>();
  /** Jobs whose answer has begun and not ended. */
  readonly #streams = new Set<Job>();
  /** Abandoned jobs whose worker is not known yet. */
  readonly #toCancel = new Set<Job>();
  readonly #lostPages = new LostPages();
  #queue: RequestQueue | null = null;
  #cancels: Cancels | null = null;
  #lastId = 0;

  constructor(options: JobTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** The pipe is there (again): from here on jobs can be submitted. */
  use(queue: RequestQueue, cancels: Cancels): void {
    this.#queue = queue;
    this.#cancels = cancels;
  }

  /** The pipe is no more: until there is another nothing can be submitted. */
  leave(): void {
    this.#queue = null;
    this.#cancels = null;
  }

  /** An id that no page has had. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Takes a new job; a full queue loses it at once. */
  submit(job: Job): void {
    job.id = this.nextId();
    if (this.#queue === null) {
      this.#remove(job, "unstaffed");
      return;
    }
    this.#jobs.set(job.id, job);
    const admission = this.#queue.submit(job);
    if (admission !== "taken") this.#remove(job, admission);
  }

  /** Runs a job once more, which `takeHeld` gave. */
  retry(job: Job): void {
    job.retries += 1;
    job.state = "new";
    job.worker = 0;
    job.takenAt = 0;
    job.order = 0;
    this.submit(job);
  }

  /** Nobody waits for this answer any more. The job hears nothing after this. */
  cancel(job: Job): void {
    if (job.state === "waiting") {
      job.state = "done";
      this.#jobs.delete(job.id);
      this.#queue?.drop();
    } else if (job.state === "queued" || job.state === "answering") {
      job.state = "abandoned";
      this.#streams.delete(job);
      if (job.worker !== 0) return this.#sayCancel(job, CANCEL_CLIENT_GONE);
      // In the pipe, where nobody begins it any more, or taken a moment ago.
      this.#cancels?.cancel(job.id);
      this.#toCancel.add(job);
    }
  }

  /** The worker may send so many more bytes of this answer. */
  credit(job: Job, bytes: number): void {
    if (job.state !== "answering") return;
    job.lastBytesAt = monotonic();
    this.#options.send(job.worker, encodeCredit(job.id, bytes));
  }

  /** A frame about a request. Returns false if the type is none of these. Throws FrameFault. */
  onFrame(
    worker: number,
    type: number,
    id: number,
    isEnd: boolean,
    count: number,
    payload: Buffer,
  ): boolean {
    if (type < FrameType.HEAD || type > FrameType.FETCH) return false;
    const job = this.#jobs.get(id);
    // Its deadline has passed, or another worker's number stands in it: late, and dropped.
    if (job === undefined || (job.worker !== 0 && job.worker !== worker)) return true;
    job.worker = worker;
    switch (type) {
      case FrameType.HEAD:
        this.#onHead(job, isEnd, count, payload);
        break;
      case FrameType.BODY:
        this.#onBody(job, isEnd, payload);
        break;
      case FrameType.FAULT:
        this.#onFault(job, payload);
        break;
      case FrameType.EXPIRED:
        this.#remove(job, "expired");
        break;
      default:
        for (const frame of fetchedFrames(job)) this.#options.send(job.worker, frame);
    }
    return true;
  }

  /**
   * Takes the jobs of a worker that has ended out of the books: those that it noted and did not answer,
   * and those that it answered in part. What becomes of them is the caller's, by `retry` or `lose`.
   */
  takeHeld(worker: number, notes: readonly Note[]): Job[] {
    const held = new Set([...this.#jobs.values()].filter((job) => job.worker === worker));
    for (const { id } of notes) {
      const job = this.#jobs.get(id);
      if (job !== undefined) held.add(job);
    }
    const waited: Job[] = [];
    for (const job of held) {
      const { state } = job;
      this.#finish(job);
      // Nobody waits for those that were abandoned. The others keep what they had reached.
      if (state === "abandoned") continue;
      job.state = state;
      waited.push(job);
    }
    return waited;
  }

  /** Ends a job that `takeHeld` gave. */
  lose(job: Job, reason: LostReason): void {
    job.state = "done";
    job.onLost(reason);
  }

  /** The job with this id, while it is in the books. */
  get(id: number): Job | undefined {
    return this.#jobs.get(id);
  }

  /** A fence has been taken: what lay before it in the pipe has been taken too. */
  onFence(id: number): void {
    const order = this.#queue?.takeFence(id) ?? 0;
    const isBefore = (job: Job): boolean => job.worker === 0 && job.order > 0 && job.order < order;
    this.#lostPages.suspect([...this.#jobs.values()].filter(isBefore), monotonic());
  }

  /** Ends every job. */
  loseAll(reason: LostReason): void {
    this.#queue?.takeAll();
    for (const job of this.#jobs.values()) this.#remove(job, reason);
  }

  /**
   * The coarse clock: ends jobs that waited too long, and returns those past their deadline, which it
   * has ended too. `readNotes` is called at most once, and only if something is old enough.
   */
  tick(now: number, readNotes: () => ReadonlyMap<number, Found>): Overdue[] {
    this.#queue?.tick(now);
    for (const job of this.#queue?.takeExpired(now) ?? []) this.#remove(job, "expired");
    let notes: ReadonlyMap<number, Found> | null = null;
    const note = (id: number): Found | undefined => {
      notes ??= readNotes();
      return notes.get(id);
    };
    for (const job of this.#lostPages.takeLost(now, ({ id }) => note(id) !== undefined))
      this.#remove(job, "died");
    for (const job of this.#toCancel) this.#cancelLate(job, note(job.id));
    const late = findLate(
      {
        jobs: this.#jobs.values(),
        streams: this.#streams,
        latest: (job) => this.#queue?.latest(job) ?? job.submittedAt,
        leastTimeout: this.#options.leastTimeout,
      },
      now,
      note,
    );
    // Whoever takes a stranded page says EXPIRED, which is then about a job that has ended.
    for (const job of late.stranded) this.#remove(job, "expired");
    return late.overdue.map((job) => this.#overdue(job, now));
  }

  #overdue(job: Job, now: number): Overdue {
    const since = job.state === "answering" ? job.lastBytesAt : job.takenAt;
    this.#sayCancel(job, CANCEL_DEADLINE);
    this.#remove(job, "deadline");
    return { job, worker: job.worker, age: now - since };
  }

  #cancelLate(job: Job, found: Found | undefined): void {
    if (job.state === "done" || job.worker !== 0) this.#toCancel.delete(job);
    locate(job, found);
    if (job.worker === 0 || job.state !== "abandoned") return;
    this.#toCancel.delete(job);
    this.#sayCancel(job, CANCEL_CLIENT_GONE);
  }

  #sayCancel(job: Job, count: number): void {
    this.#options.send(job.worker, encodeFrame(FrameType.CANCEL, job.id, null, { count }));
  }

  #onHead(job: Job, isWhole: boolean, count: number, payload: Buffer): void {
    if (payload.length < HEAD_PREFIX_BYTES) throw new FrameFault("a HEAD frame without a head");
    const end = HEAD_PREFIX_BYTES + payload.readUInt32LE(8);
    if (end > payload.length) throw new FrameFault("a head longer than its frame");
    job.takenAt = payload.readDoubleLE(0);
    if (job.state === "abandoned") {
      if (isWhole) this.#finish(job);
      else this.#sayCancel(job, CANCEL_CLIENT_GONE);
      return;
    }
    if (job.state !== "queued") throw new FrameFault("a second HEAD frame");
    job.state = "answering";
    if (!isWhole) {
      job.lastBytesAt = monotonic();
      this.#streams.add(job);
    }
    const head = payload.toString("latin1", HEAD_PREFIX_BYTES, end);
    const body = payload.subarray(end);
    job.onHead(head, count, isWhole ? body : Buffer.from(body), isWhole);
    if (isWhole) this.#finish(job);
  }

  #onBody(job: Job, isLast: boolean, payload: Buffer): void {
    if (job.state === "queued") throw new FrameFault("a BODY frame before HEAD");
    job.lastBytesAt = monotonic();
    if (job.state === "answering") job.onBody(Buffer.from(payload), isLast);
    if (isLast) this.#finish(job);
  }

  #onFault(job: Job, payload: Buffer): void {
    const wasAbandoned = job.state === "abandoned";
    this.#finish(job);
    if (!wasAbandoned) job.onFault(payload.toString("utf8"));
  }

  #remove(job: Job, reason: LostReason): void {
    const wasAbandoned = job.state === "abandoned";
    this.#finish(job);
    if (!wasAbandoned) job.onLost(reason);
  }

  #finish(job: Job): void {
    const wasWritten = job.state !== "new" && job.state !== "waiting";
    if (job.state === "done") return;
    job.state = "done";
    this.#jobs.delete(job.id);
    this.#streams.delete(job);
    this.#toCancel.delete(job);
    if (wasWritten) this.#queue?.release();
  }
}
