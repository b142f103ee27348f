// Every job of one pool that has not ended. Puts jobs into the queue, gives frames to the jobs that they are
// about, and ends jobs that are late, cancelled or lost. Knows no process: a worker is a number here.

import { monotonicMs, wireTimeToMs } from "./clock.ts";
import {
  encodeCredit,
  encodeFrame,
  encodeRecord,
  FrameFault,
  FrameType,
  INPUT_FRAME_BYTES,
  isLastFrame,
} from "./frame.ts";
import type { Job, LostReason, Overdue } from "./job.ts";
import {
  enterNote,
  JobDeadlines,
  mayOutliveClient,
  sinceWhen,
  type Found,
} from "./job-deadlines.ts";
import { readJobFrame, type JobFrame, type SendFrame } from "./job-frames.ts";
import { JobsById } from "./jobs-by-id.ts";
import { PAGE_BYTES, PAGE_HEADER_BYTES, type Note } from "./page.ts";
import type { RequestQueue } from "./queue.ts";
import type { SharedFiles } from "./run-directory.ts";

const ID_BYTES = 8;
const CREDIT_BYTES = 4;
const TIME_BYTES = 8;
const CANCEL_CLIENT_GONE = 1;
const CANCEL_DEADLINE = 2;
const CANCEL_HALF_CLOSED = 3;
/** Count of EXPIRED: the worker's interface cannot run the page. */
const UNFIT = 1;

type Cancels = Pick<SharedFiles, "cancel">;

export interface JobTableOptions {
  /** The shortest time limit of all jobs (JobRequest.timeoutMs); Infinity if none has one. */
  readonly leastTimeoutMs: number;
  /** WebSockets, handshakes included, that there may be at once. */
  readonly webSocketLimit: number;
  /** Sends a frame to a worker by its number; drops the frame if the worker is gone. */
  readonly send: SendFrame;
  /** A worker has one WebSocket more or less (±1) of which its notes do not tell. */
  readonly onWebSocket: (worker: number, change: number) => void;
  /** CLOCK_MONOTONIC milliseconds; tests give their own. */
  readonly now?: () => number;
}

export class JobTable {
  /** Whether a worker runs many requests at once, so that a running one keeps no other waiting. */
  isConcurrent = false;
  readonly #send: SendFrame;
  readonly #now: () => number;
  readonly #webSocketLimit: number;
  readonly #onWebSocket: (worker: number, change: number) => void;
  readonly #jobs = new JobsById();
  /** Jobs that began as a WebSocket's handshake. */
  #webSockets = 0;
  /** Jobs to cancel as soon as it is known which worker has them, and the count of their CANCEL. */
  readonly #uncancelled = new Map<Job, number>();
  readonly #deadlines: JobDeadlines;
  #queue: RequestQueue | null = null;
  #cancels: Cancels | null = null;
  #lastId = 0;

  constructor(options: JobTableOptions) {
    this.#deadlines = new JobDeadlines(options.leastTimeoutMs);
    this.#webSocketLimit = options.webSocketLimit;
    this.#send = options.send;
    this.#onWebSocket = options.onWebSocket;
    this.#now = options.now ?? monotonicMs;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** Jobs that have a worker for sure, or that one has noted. */
  countRunning(noted: ReadonlySet<number>): number {
    return this.#jobs.all().filter((job) => job.isAccepted || noted.has(job.id)).length;
  }

  /** The pipe is there, or there again: from here on jobs can be submitted. */
  use(queue: RequestQueue, cancels: Cancels): void {
    this.#queue = queue;
    this.#cancels = cancels;
  }

  /** The pipe is gone: until there is another no job can be submitted. */
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
    if (job.request.isWebSocket) {
      if (this.#webSockets >= this.#webSocketLimit) return this.lose(job, "web-sockets-full");
      this.#webSockets += 1;
    }
    job.submit(this.nextId(), this.#now());
    this.#jobs.add(job);
    const admission = this.#queue.submit(job);
    if (admission !== "taken") this.#remove(job, admission);
  }

  /** Whether the workers of now can read the page of a job that those of one interface only can read. */
  #fits({ request }: Job): boolean {
    return this.isConcurrent !== (request.isWebSocket && request.offersSocket);
  }

  // A worker of the other interface took the page while a reload changed the interface, and has not begun it.
  #requeue(job: Job): void {
    this.#forget(job);
    job.requeue();
    this.submit(job);
  }

  /** Runs a job of `takeHeld` once more. */
  retry(job: Job): void {
    job.retry();
    this.submit(job);
  }

  /** Nobody waits for this response any more. The job's listener hears of a fault, and of nothing else. */
  cancel(job: Job): void {
    if (job.state === "waiting") {
      this.#finish(job);
      return;
    }
    if (job.state !== "queued" && job.state !== "responding" && job.state !== "detached") return;
    job.abandon(this.#now());
    // The page is in the pipe, where no worker begins it any more, or was taken a moment ago.
    if (job.worker === 0) this.#cancels?.cancel(job.id);
    this.#sendCancel(job, CANCEL_CLIENT_GONE);
  }

  /**
   * The client has closed its sending side, and may still read the response. `isLate`: if no worker has
   * the job by now, none begins it.
   */
  halfClose(job: Job, isLate: boolean): void {
    if (job.state !== "queued" && job.state !== "responding") return;
    if (!isLate) this.#sendCancel(job, CANCEL_HALF_CLOSED);
    else if (job.worker === 0) this.#cancels?.cancel(job.id);
  }

  /** The worker may send `bytes` more of this response. */
  credit(job: Job, bytes: number): void {
    if (job.state !== "responding") return;
    job.progress(this.#now());
    this.#send(job.worker, encodeCredit(job.id, bytes));
  }

  /** A frame about a request. Returns false if the type is about something else. Throws FrameFault. */
  onFrame(
    worker: number,
    type: number,
    id: number,
    isEnd: boolean,
    count: number,
    payload: Buffer,
  ): boolean {
    if (type === FrameType.TAKEN && id === 0) {
      this.#onTaken(worker, payload);
      return true;
    }
    if (type === FrameType.STOPPED) this.#onStopped(worker);
    if (!isAboutJob(type)) return false;
    const job = this.#jobs.get(id);
    if (id > this.#lastId) throw new FrameFault(`a frame about request ${id}, which is none`);
    // The frame is late: its job has ended, or belongs to another worker.
    if (job === undefined || (job.worker !== 0 && job.worker !== worker)) return true;
    if (job.state === "waiting") throw new FrameFault("a frame about a page that was not written");
    if (job.worker === 0) job.take(worker, 0);
    switch (type) {
      case FrameType.TAKEN:
        job.take(worker, readTakenAt(payload));
        break;
      case FrameType.EXPIRED:
        if (count === UNFIT && this.#fits(job) && job.state === "queued") this.#requeue(job);
        else this.#remove(job, "queue-timeout");
        break;
      case FrameType.INPUT_CREDIT:
        if (payload.length !== CREDIT_BYTES)
          throw new FrameFault("an INPUT_CREDIT frame of another length");
        job.listener.onBodyRead?.(payload.readUInt32LE(0));
        break;
      case FrameType.FETCH:
        this.#sendFetched(job);
        break;
      default:
        this.#onResponse(job, { type, isEnd, count, payload });
    }
    return true;
  }

  /**
   * Removes the jobs of a worker that has ended: those that it noted and had not answered, and those that
   * it had answered in part. A note about a job that another worker has is wrong: the application may have
   * damaged the notes. The caller ends each by `retry` or `lose`.
   */
  takeHeld(worker: number, notes: readonly Note[]): Job[] {
    const noted = new Map(notes.map((note) => [note.id, note]));
    const held = this.#jobs
      .all()
      .filter((job) => job.worker === worker || (job.worker === 0 && noted.has(job.id)));
    for (const job of held) {
      const note = noted.get(job.id);
      if (job.takenAt === 0 && note !== undefined) enterNote(job, [worker, note], this.#now());
    }
    for (const job of held) this.#forget(job);
    // Nobody waits for an abandoned one.
    for (const job of held) if (job.state === "abandoned") job.finish();
    return held.filter((job) => job.state !== "done");
  }

  /** Ends a job that is not in the table: a new one, or one of `takeHeld`. */
  lose(job: Job, reason: LostReason): void {
    job.finish();
    job.listener.onLost(reason);
  }

  /** The job with this id, until it has ended. */
  get(id: number): Job | undefined {
    return this.#jobs.get(id);
  }

  /** A fence has been taken: every page before it in the pipe has been taken too. */
  onFence(id: number): void {
    const fence = this.#queue?.takeFence(id) ?? 0;
    const isBefore = (job: Job): boolean => job.worker === 0 && job.place > 0 && job.place < fence;
    this.#deadlines.suspect(this.#jobs.all().filter(isBefore));
  }

  /** Ends every job. */
  loseAll(reason: LostReason): void {
    for (const job of this.#jobs.all()) this.#remove(job, reason);
  }

  /**
   * Called by the coarse clock: ends jobs that waited too long, and returns those past their deadline, which
   * have ended too. `readNotes` is called at most once, and only if a job is old enough.
   */
  tick(now: number, readNotes: () => ReadonlyMap<number, Found>): Overdue[] {
    this.#tickQueue(now);
    let notes: ReadonlyMap<number, Found> | null = null;
    const note = (id: number): Found | undefined => {
      notes ??= readNotes();
      return notes.get(id);
    };
    for (const [job, count] of this.#uncancelled) {
      enterNote(job, note(job.id), now);
      if (job.worker !== 0) this.#sendCancel(job, count);
    }
    const startTimeoutMs = this.#queue?.timeoutMs ?? 0;
    const found = this.#deadlines.find(this.#jobs.all(), now, startTimeoutMs, note);
    for (const job of found.lost) this.#remove(job, "worker-died");
    // A worker that still takes such a page answers EXPIRED, which is dropped: its job has ended.
    for (const job of found.unbegun) this.#remove(job, "queue-timeout");
    return found.overdue.map((job) => this.#endOverdue(job, now));
  }

  /** Breaks off a job of `tick`, once its worker has told where it is. */
  interrupt({ job, worker }: Overdue): void {
    const count = CANCEL_DEADLINE;
    this.#send(worker, encodeFrame(FrameType.CANCEL, job.id, null, { count }));
  }

  /** Breaks off whatever keeps the event loop of a worker: a deadline that is no request's. */
  interruptLoop(worker: number): void {
    this.#send(worker, encodeFrame(FrameType.CANCEL, 0, null, { count: CANCEL_DEADLINE }));
  }

  #tickQueue(now: number): void {
    const queue = this.#queue;
    if (queue === null) return;
    queue.tick(now);
    queue.wakeOne(() => this.nextId());
    for (let job = queue.findExpired(now); job !== undefined; job = queue.findExpired(now))
      this.#remove(job, "queue-timeout");
    for (let job = queue.findOverload(now); job !== undefined; job = queue.findOverload(now))
      this.#remove(job, "overloaded");
  }

  #endOverdue(job: Job, now: number): Overdue {
    const isAbandoned = mayOutliveClient(job);
    const ageMs = now - sinceWhen(job);
    this.#remove(job, "deadline");
    return { job, worker: job.worker, ageMs, isAbandoned };
  }

  #sendCancel(job: Job, count: number): void {
    this.#uncancelled.delete(job);
    if (job.worker === 0) this.#uncancelled.set(job, count);
    else this.#send(job.worker, encodeFrame(FrameType.CANCEL, job.id, null, { count }));
  }

  // A worker that runs many requests at once tells which: these keep no other waiting.
  #onTaken(worker: number, payload: Buffer): void {
    for (let at = 0; at + ID_BYTES <= payload.length; at += ID_BYTES) {
      const job = this.#jobs.get(Number(payload.readBigUInt64LE(at)));
      if (job === undefined) continue;
      if (job.state === "waiting") throw new FrameFault("a page was taken that was not written");
      // A HEAD frame has the exact time.
      job.take(worker, job.takenAt === 0 ? this.#now() : 0);
      this.#queue?.release(job);
    }
  }

  #onStopped(worker: number): void {
    for (const job of this.#jobs.all()) if (job.worker === worker) job.listener.onWorkerLeaving();
  }

  // Sends the record, if it did not fit into the page, and the body in INPUT frames: at once, or as it comes.
  #sendFetched(job: Job): void {
    const { id, worker, request } = job;
    const { names, values, body } = request;
    if (PAGE_HEADER_BYTES + names.length + values.length > PAGE_BYTES)
      this.#send(worker, encodeRecord(id, names, values));
    if (body !== null) this.#sendInput(job, body, true);
    if (!request.isBodyStreamed) return;
    job.listener.onBodyWanted?.((piece, isLast) => {
      if (job.state !== "done") this.#sendInput(job, piece, isLast);
    });
  }

  #sendInput({ id, worker }: Job, bytes: Buffer, isLast: boolean): void {
    let at = 0;
    do {
      const end = Math.min(at + INPUT_FRAME_BYTES, bytes.length);
      const isEnd = isLast && end === bytes.length;
      this.#send(worker, encodeFrame(FrameType.INPUT, id, bytes.subarray(at, end), { isEnd }));
      at = end;
    } while (at < bytes.length);
  }

  #onResponse(job: Job, frame: JobFrame): void {
    const wasAccepted = job.isAccepted;
    const outcome = readJobFrame(job, frame, this.#now(), this.#send);
    if (job.isAccepted && !wasAccepted) this.#onWebSocket(job.worker, 1);
    if (isLastFrame(frame.type, frame.isEnd)) this.#finish(job);
    else if (outcome === "unwanted") this.#sendCancel(job, CANCEL_CLIENT_GONE);
    else if (outcome === "begun" && this.isConcurrent) this.#queue?.release(job);
  }

  #remove(job: Job, reason: LostReason): void {
    const hasListener = job.state !== "abandoned" && job.state !== "done";
    this.#finish(job);
    if (hasListener) job.listener.onLost(reason);
  }

  // The end of one job may have ended another: both may be requests of one connection.
  #finish(job: Job): void {
    if (job.state === "done") return;
    if (job.state === "waiting") this.#queue?.drop();
    job.finish();
    this.#forget(job);
  }

  #forget(job: Job): void {
    if (job.request.isWebSocket) this.#webSockets -= 1;
    if (job.isAccepted) this.#onWebSocket(job.worker, -1);
    this.#jobs.delete(job.id);
    this.#uncancelled.delete(job);
    this.#queue?.release(job);
  }
}

function readTakenAt(payload: Buffer): number {
  if (payload.length !== TIME_BYTES) throw new FrameFault("a TAKEN frame of another length");
  return wireTimeToMs(payload.readDoubleLE(0));
}

function isAboutJob(type: number): boolean {
  if (type === FrameType.TAKEN || type === FrameType.FILE) return true;
  if (type >= FrameType.HEAD && type <= FrameType.FETCH) return true;
  if (type >= FrameType.INPUT_CREDIT && type <= FrameType.TRAILERS) return true;
  return type >= FrameType.WS_ACCEPT && type <= FrameType.WS_CLOSE;
}
