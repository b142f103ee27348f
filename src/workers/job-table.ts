// The books of one pool: every job that has not ended, who has it, and what its frames mean. Writes
// jobs into the queue, gives answers back to them, and finds those that are late. Knows no process:
// workers are numbers here, reached through `send`.

import { monotonic } from "./clock.ts";
import type { Job, LostReason, Overdue } from "./job.ts";
import { LostPages } from "./lost-pages.ts";
import type { RequestQueue } from "./queue.ts";
import {
  encodeCredit,
  encodeFrame,
  encodeRecord,
  FrameFault,
  FrameType,
  INPUT_FRAME_BYTES,
} from "./frame.ts";
import { PAGE_BYTES, PAGE_HEADER_BYTES, type Note } from "./page.ts";

/** Bytes of a HEAD frame before the head: the second of taking and the head's length. */
const HEAD_PREFIX_BYTES = 12;
/** A page that nobody has taken so long after its latest time is given up. Seconds. */
const STRANDED_GRACE = 1;
const CANCEL_CLIENT_GONE = 1;
const CANCEL_DEADLINE = 2;

export interface JobTableOptions {
  /** From taking to the head, then between chunks, seconds; 0 = none. 504 DEADLINE. */
  readonly timeout: number;
  /** Sends a frame to a worker by number; nothing happens if it is gone. */
  readonly send: (worker: number, frame: Buffer) => void;
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
  #lastId = 0;

  constructor(options: JobTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** The pipe is there (again): from here on jobs can be submitted. */
  use(queue: RequestQueue): void {
    this.#queue = queue;
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
      this.#remove(job, "stopped");
      return;
    }
    this.#jobs.set(job.id, job);
    if (!this.#queue.submit(job)) this.#remove(job, "full");
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
      if (job.worker === 0) this.#toCancel.add(job);
      else this.#sayCancel(job, CANCEL_CLIENT_GONE);
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
        this.#hand(job);
    }
    return true;
  }

  /** These jobs were noted by a worker that has ended. Returns those that were not answered. */
  loseNoted(notes: readonly Note[]): Job[] {
    return this.#loseIf(notes.map((note) => this.#jobs.get(note.id)));
  }

  /** Jobs that have answered in part through a worker that has ended, noted or not. */
  loseHeldBy(worker: number): Job[] {
    return this.#loseIf([...this.#jobs.values()].filter((job) => job.worker === worker));
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
  tick(now: number, readNotes: () => ReadonlyMap<number, [number, Note]>): Overdue[] {
    this.#queue?.pump();
    for (const job of this.#queue?.takeExpired(now) ?? []) this.#remove(job, "expired");
    let notes: ReadonlyMap<number, [number, Note]> | null = null;
    const note = (id: number): [number, Note] | undefined => {
      notes ??= readNotes();
      return notes.get(id);
    };
    for (const job of this.#lostPages.takeLost(now, ({ id }) => note(id) !== undefined))
      this.#remove(job, "died");
    for (const job of this.#toCancel) this.#cancelLate(job, note(job.id));
    const late: Job[] = [];
    for (const job of this.#jobs.values()) {
      // Ids grow with time: all that follow are younger.
      if (now - job.submittedAt < this.#leastPatience(job)) break;
      if (job.state !== "queued" && job.state !== "abandoned") continue;
      if (job.takenAt === 0) this.#find(job, note(job.id));
      if (job.takenAt === 0) this.#giveUpStranded(job, now);
      else if (this.#isLate(job.takenAt, now)) late.push(job);
    }
    for (const job of this.#streams)
      if (!job.isHeldByClient() && this.#isLate(job.lastBytesAt, now)) late.push(job);
    return late.map((job) => this.#overdue(job, now));
  }

  #leastPatience(job: Job): number {
    const wait = (this.#queue?.latest(job) ?? 0) - job.submittedAt + STRANDED_GRACE;
    return this.#options.timeout > 0 ? Math.min(wait, this.#options.timeout) : wait;
  }

  #isLate(since: number, now: number): boolean {
    return this.#options.timeout > 0 && now - since >= this.#options.timeout;
  }

  #overdue(job: Job, now: number): Overdue {
    const since = job.state === "answering" ? job.lastBytesAt : job.takenAt;
    this.#sayCancel(job, CANCEL_DEADLINE);
    this.#remove(job, "deadline");
    return { job, worker: job.worker, age: now - since };
  }

  #find(job: Job, found: [number, Note] | undefined): void {
    if (found === undefined) return;
    const [worker, note] = found;
    job.worker = worker;
    // Between reading the page and noting the time there is next to nothing.
    job.takenAt = note.takenAt > job.submittedAt ? note.takenAt : monotonic();
  }

  // Its latest time is over, so nobody will begin it, and nobody has: whoever takes the page says
  // EXPIRED, which is then about a job that has ended.
  #giveUpStranded(job: Job, now: number): void {
    if (this.#queue !== null && now >= this.#queue.latest(job) + STRANDED_GRACE)
      this.#remove(job, "expired");
  }

  #cancelLate(job: Job, found: [number, Note] | undefined): void {
    if (job.state === "done" || job.worker !== 0) this.#toCancel.delete(job);
    this.#find(job, found);
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

  // The worker asks for what did not fit into the page.
  #hand(job: Job): void {
    const { names, values, body } = job;
    if (PAGE_HEADER_BYTES + names.length + values.length > PAGE_BYTES)
      this.#options.send(job.worker, encodeRecord(job.id, names, values));
    if (body === null) return;
    for (let at = 0; at < body.length; at += INPUT_FRAME_BYTES) {
      const end = Math.min(at + INPUT_FRAME_BYTES, body.length);
      this.#options.send(
        job.worker,
        encodeFrame(FrameType.INPUT, job.id, body.subarray(at, end), {
          isEnd: end === body.length,
        }),
      );
    }
  }

  #loseIf(jobs: readonly (Job | undefined)[]): Job[] {
    const lost: Job[] = [];
    for (const job of jobs) {
      if (job === undefined || job.state === "done") continue;
      lost.push(job);
      this.#remove(job, "died");
    }
    return lost;
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
