// The books of one pool: every job that has not ended, who has it, and what its frames mean. Writes
// jobs into the queue, gives answers back to them, and finds those that are late. Knows no process:
// workers are numbers here, reached through `send`.

import { monotonic } from "./clock.ts";
import type { SharedFiles } from "./run-directory.ts";
import type { Job, LostReason, Overdue } from "./job.ts";
import { JobsById } from "./jobs-by-id.ts";
import { findLate, locate, type Found } from "./late-jobs.ts";
import { LostPages } from "./lost-pages.ts";
import type { RequestQueue } from "./queue.ts";
import { handOver } from "./hand-over.ts";
import { readAnswer } from "./answer.ts";
import { encodeCredit, encodeFrame, FrameType } from "./frame.ts";
import type { Note } from "./page.ts";
import { isWebSocketFrame, readWebSocketFrame } from "./web-socket-frames.ts";

const ID_BYTES = 8;
const CANCEL_CLIENT_GONE = 1;
const CANCEL_DEADLINE = 2;
const CANCEL_HALF_CLOSED = 3;

export interface JobTableOptions {
  /** The shortest time that any job has (Job.timeout), seconds; Infinity: none has one. */
  readonly leastTimeout: number;
  /** Sends a frame to a worker by number; nothing happens if it is gone. */
  readonly send: (worker: number, frame: Buffer) => void;
}

export class JobTable {
  /** Whether a worker runs many requests at once, so that a running one takes nobody's place. */
  isConcurrent = false;
  readonly #options: JobTableOptions;
  readonly #jobs = new JobsById();
  /** What is to be told about jobs whose worker is not known yet: the count of a CANCEL. */
  readonly #untold = new Map<Job, number>();
  readonly #lostPages = new LostPages();
  #queue: RequestQueue | null = null;
  #cancels: Pick<SharedFiles, "cancel"> | null = null;
  #lastId = 0;

  constructor(options: JobTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** The pipe is there (again): from here on jobs can be submitted. */
  use(queue: RequestQueue, cancels: Pick<SharedFiles, "cancel">): void {
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
    if (this.#queue === null) return this.lose(job, "no-workers");
    job.id = this.nextId();
    this.#jobs.add(job);
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
      // In the pipe, where nobody begins it any more, or taken a moment ago.
      if (job.worker === 0) this.#cancels?.cancel(job.id);
      this.#sayCancel(job, CANCEL_CLIENT_GONE);
    }
  }

  /** The client has closed its sending side, and may still read the answer; if `isLate` no worker begins it. */
  halfClose(job: Job, isLate: boolean): void {
    if (job.state !== "queued" && job.state !== "answering") return;
    if (!isLate) this.#sayCancel(job, CANCEL_HALF_CLOSED);
    else if (job.worker === 0) this.#cancels?.cancel(job.id);
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
    if (type === FrameType.TAKEN) return this.#onTaken(worker, payload);
    if (type === FrameType.STOPPED) this.#onStopped(worker);
    if (!isAboutJob(type)) return false;
    const job = this.#jobs.get(id);
    // Its deadline has passed, or another worker's number stands in it: late, and dropped.
    if (job === undefined || (job.worker !== 0 && job.worker !== worker)) return true;
    job.worker = worker;
    switch (type) {
      case FrameType.EXPIRED:
        this.#remove(job, "queue-timeout");
        break;
      case FrameType.INPUT_CREDIT:
        job.onBodyRead(payload.readUInt32LE(0));
        break;
      case FrameType.FETCH:
        handOver(job, (frame) => this.#options.send(job.worker, frame));
        break;
      default:
        this.#onAnswer(job, type, isEnd, count, payload);
    }
    return true;
  }

  /**
   * Takes the jobs of a worker that has ended out of the books: those that it noted and did not answer,
   * and those that it answered in part. What becomes of them is the caller's, by `retry` or `lose`.
   */
  takeHeld(worker: number, notes: readonly Note[]): Job[] {
    const held = new Set(this.#jobs.all().filter((job) => job.worker === worker));
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
    this.#lostPages.suspect(this.#jobs.all().filter(isBefore), monotonic());
  }

  /** Ends every job. */
  loseAll(reason: LostReason): void {
    this.#queue?.takeAll();
    for (const job of this.#jobs.all()) this.#remove(job, reason);
  }

  /**
   * The coarse clock: ends jobs that waited too long, and returns those past their deadline, which it
   * has ended too. `readNotes` is called at most once, and only if something is old enough.
   */
  tick(now: number, readNotes: () => ReadonlyMap<number, Found>): Overdue[] {
    this.#queue?.tick(now);
    this.#queue?.stir(() => this.nextId());
    for (const job of this.#queue?.takeExpired(now) ?? []) this.#remove(job, "queue-timeout");
    for (const job of this.#queue?.takeHopeless(now) ?? []) this.#remove(job, "overloaded");
    let notes: ReadonlyMap<number, Found> | null = null;
    const note = (id: number): Found | undefined => {
      notes ??= readNotes();
      return notes.get(id);
    };
    for (const job of this.#lostPages.takeLost(now, ({ id }) => note(id) !== undefined))
      this.#remove(job, "worker-died");
    for (const [job, count] of this.#untold) {
      locate(job, note(job.id));
      if (job.worker !== 0) this.#sayCancel(job, count);
    }
    const late = findLate(
      {
        jobs: this.#jobs.all(),
        latest: (job) => this.#queue?.latest(job) ?? job.submittedAt,
        leastTimeout: this.#options.leastTimeout,
      },
      now,
      note,
    );
    // Whoever takes a stranded page says EXPIRED, which is then about a job that has ended.
    for (const job of late.stranded) this.#remove(job, "queue-timeout");
    return late.overdue.map((job) => this.#overdue(job, now));
  }

  /** Breaks off a job that `tick` has found past its deadline; its worker was asked before where it is. */
  interrupt({ job, worker }: Overdue): void {
    const count = CANCEL_DEADLINE;
    this.#options.send(worker, encodeFrame(FrameType.CANCEL, job.id, null, { count }));
  }

  #overdue(job: Job, now: number): Overdue {
    const since = job.state === "answering" ? job.lastBytesAt : job.takenAt;
    this.#remove(job, "deadline");
    return { job, worker: job.worker, age: now - since };
  }

  #sayCancel(job: Job, count: number): void {
    this.#untold.delete(job);
    if (job.worker === 0) {
      this.#untold.set(job, count);
      return;
    }
    this.#options.send(job.worker, encodeFrame(FrameType.CANCEL, job.id, null, { count }));
  }

  // A worker that runs many at once says which: they take no place from those that wait.
  #onTaken(worker: number, payload: Buffer): true {
    for (let at = 0; at + ID_BYTES <= payload.length; at += ID_BYTES) {
      const job = this.#jobs.get(Number(payload.readBigUInt64LE(at)));
      if (job === undefined) continue;
      job.worker = worker;
      // The head of an answer tells it exactly; the acceptance of a WebSocket has none.
      if (job.takenAt === 0) job.takenAt = monotonic();
      this.#queue?.release(job);
    }
    return true;
  }

  #onStopped(worker: number): void {
    for (const job of this.#jobs.all()) if (job.worker === worker) job.onWorkerLeaving();
  }

  #onAnswer(job: Job, type: number, isEnd: boolean, count: number, payload: Buffer): void {
    const frame = { type, isEnd, count, payload };
    const became = isWebSocketFrame(type)
      ? readWebSocketFrame(job, frame, this.#options.send)
      : readAnswer(job, frame);
    if (became === "over") this.#finish(job);
    else if (became === "streaming") {
      if (this.isConcurrent) this.#queue?.release(job);
    } else if (became === "unwanted") this.#sayCancel(job, CANCEL_CLIENT_GONE);
  }

  #remove(job: Job, reason: LostReason): void {
    const wasAbandoned = job.state === "abandoned";
    this.#finish(job);
    if (!wasAbandoned) job.onLost(reason);
  }

  #finish(job: Job): void {
    if (job.state === "done") return;
    job.state = "done";
    this.#jobs.delete(job.id);
    this.#untold.delete(job);
    this.#queue?.release(job);
  }
}

function isAboutJob(type: number): boolean {
  if (type >= FrameType.HEAD && type <= FrameType.FETCH) return true;
  if (type >= FrameType.INPUT_CREDIT && type <= FrameType.TRAILERS) return true;
  return isWebSocketFrame(type);
}
