// One request on its way through the queue and a worker: what is sent, who hears of the response, and the
// one place where its state changes. Knows pages, frames and times, no HTTP.
//
//          wait            enqueue            respond                finish
//   new ─────────▶ waiting ─────────▶ queued ─────────▶ responding ──────────▶ done
//    └────────────────enqueue───────────▲├───detach───▶ detached ────finish─────▲
//                                        └───abandon──▶ abandoned ───finish─────┘
//
//   abandon also from responding and detached; finish from every state but done; retry, requeue: queued ─▶ new.
//
// queued: the page is in the pipe, or a worker has taken it; `worker` says which, as soon as that is known.
// detached: the response travels on a socket between client and application, and frames tell only its end.
// abandoned: nobody waits for the response, but the page or the thread is in use until the last frame.

import type { Socket } from "node:net";

import { FrameFault } from "./frame.ts";
import type { PageContent } from "./page.ts";
import type { WebSocketLink } from "./web-socket-link.ts";

/** Why a job ended without a response of the application. */
export type LostReason =
  /** The worker that had the job has ended. */
  | "worker-died"
  /** The queue is full. */
  | "queue-full"
  /** The application has as many WebSockets as it may have. */
  | "web-sockets-full"
  /** The job waited longer than the queue's limit and was not begun. */
  | "queue-timeout"
  /** At the rate of the last seconds the job could not be begun within the queue's limit. */
  | "overloaded"
  /** No worker serves and none will soon: the application ends again and again. */
  | "no-workers"
  /** The application ran past the job's deadline. */
  | "deadline"
  /** The pool is stopping. */
  | "stopping";

export type JobState =
  | "new"
  | "waiting"
  | "queued"
  | "responding"
  | "detached"
  | "abandoned"
  | "done";

/** Bytes of a file from `offset` on. `path` leads to the file while its worker waits to be told. */
export interface FilePart {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** What the pool needs to know of a request. */
export interface JobRequest extends PageContent {
  /** From taking to the head of the response; 0 = no limit. */
  readonly timeoutMs: number;
  /** Between two pieces of the response; 0 = no limit. */
  readonly gapTimeoutMs: number;
  /**
   * Since nobody waits for the response any more: the worker itself ends the request by then; 0 = no limit,
   * null = `timeoutMs` goes on.
   */
  readonly abandonTimeoutMs: number | null;
  /** Whether running the request twice does no harm. */
  readonly isRepeatable: boolean;
}

/**
 * Hears of one job. The optional methods are those of a response, of a body that streams, and of a WebSocket:
 * only a handshake has `onAccept` or `onSocket`, and without them these frames break the protocol. Records
 * are latin-1 (docs/worker-protocol.md).
 */
export interface JobListener {
  /**
   * The head of the response has come, with the first bytes of the body. `isWhole`: with all of them; up
   * to 65,536 bytes are then valid during the call only.
   */
  onHead?(record: string, count: number, body: Buffer, isWhole: boolean): void;
  onBody?(bytes: Buffer, isLast: boolean): void;
  /**
   * The whole response: its head, and where the file is that has its body. `tell` is called once, with whether
   * the file was opened, now or later. It returns whether the job still waits for that; if the file was not
   * opened the worker responds with onHead.
   */
  onFile?(record: string, count: number, part: FilePart, tell: (isOpen: boolean) => boolean): void;
  /** The response ends with `count` trailers: `name NUL value …`. */
  onTrailers?(record: string, count: number): void;
  /** Early hints with `count` fields, before the head: `103 Early Hints NUL name NUL value …`. */
  onEarlyHint?(record: string, count: number): void;
  /** The worker asks for a streamed body; `send` takes pieces of it, until the job has ended. */
  onBodyWanted?(send: (piece: Buffer, isLast: boolean) => void): void;
  /** The application has read `bytes` more of a streamed body, or of a client's messages. */
  onBodyRead?(bytes: number): void;
  /** The application accepts a WebSocket: `subprotocol NUL name NUL value …` with `count` fields. */
  onAccept?(record: string, count: number, link: WebSocketLink): void;
  /** A piece of a message, whose bytes are valid during the call only. */
  onPiece?(bytes: Buffer, isText: boolean, isLast: boolean): void;
  /** The application closes a WebSocket, or denies its handshake. `isLast`: the job has ended. */
  onClose?(code: number, reason: string, isLast: boolean): void;
  /** The application is offered the other end of this socket, whose errors are heard already. */
  onSocket?(socket: Socket): void;
  /** The application failed, and the job has ended; `text` is for the log. Also of an abandoned job. */
  onFault(text: string): void;
  /** The job has ended without the application. */
  onLost(reason: LostReason): void;
  /** Whether the response waits for its client, so that no deadline counts. */
  isHeldByClient(): boolean;
  /** The worker takes no more requests, and ends when those that it runs have ended. */
  onWorkerLeaving(): void;
}

/** A job that ran past its deadline, reported before its worker is told. */
export interface Overdue {
  readonly job: Job;
  readonly worker: number;
  /** Since the job was taken, since the last bytes of its response, or since its client has left. */
  readonly ageMs: number;
  /** Nobody waits for the response, and the worker could not end the request by itself. */
  readonly isAbandoned: boolean;
}

/**
 * A move that the job's state does not allow: a fault of the caller, which looks at the state first. As a
 * FrameFault it ends the worker whose frame led to it, and not the front with all its clients.
 */
export class JobStateError extends FrameFault {}

/**
 * One request for one worker. Its fields are written here alone. Fields that end in At are points in time,
 * CLOCK_MONOTONIC milliseconds.
 */
class MovableJob {
  readonly request: JobRequest;
  listener: JobListener;
  /** 1 … 2⁵³−1, never used twice; 0 before the job is submitted. */
  id = 0;
  state: JobState = "new";
  /** When the pool got the job; 0 before. */
  submittedAt = 0;
  /** Place of its page among all pages written to the pipe, from 1; 0 where it keeps nobody waiting. */
  place = 0;
  /** Number of the worker that has the job; 0 until that is known. */
  worker = 0;
  /** When that worker took the job; 0 until that is known. */
  takenAt = 0;
  /** When the last bytes of the response came, or credit for more of them went; 0 until then. */
  lastBytesAt = 0;
  /** When the job was abandoned; 0 before. */
  abandonedAt = 0;
  /** Whether the application has accepted a WebSocket whose frames the front reads. */
  isAccepted = false;
  #wasRetried = false;

  constructor(request: JobRequest, listener: JobListener) {
    this.request = request;
    this.listener = listener;
  }

  /** Whether the job may be run once more after its worker died: no harm, no response yet, and once. */
  get mayRetry(): boolean {
    return this.request.isRepeatable && !this.#wasRetried && this.state === "queued";
  }

  /** From here on `listener` hears of the job: a WebSocket has been accepted. */
  listenWith(listener: JobListener): void {
    this.listener = listener;
  }

  /** The pool has the job: its number, and since when it waits. */
  submit(id: number, now: number): void {
    if (this.state !== "new") throw this.#illegal("submit");
    this.id = id;
    this.submittedAt = now;
  }

  /** There is no room in the pipe. */
  wait(): void {
    if (this.state !== "new") throw this.#illegal("wait");
    this.state = "waiting";
  }

  /** Its page is written, as the `place`th. */
  enqueue(place: number): void {
    if (this.state !== "new" && this.state !== "waiting") throw this.#illegal("enqueue");
    this.state = "queued";
    this.place = place;
  }

  /** The job keeps nobody waiting any more; false: it did not before. */
  leavePipe(): boolean {
    const wasThere = this.place > 0;
    this.place = 0;
    return wasThere;
  }

  /** A worker has the job; `takenAt` 0: since when is not known yet. */
  take(worker: number, takenAt: number): void {
    const { state } = this;
    if (state === "new" || state === "waiting" || state === "done") throw this.#illegal("take");
    this.worker = worker;
    if (takenAt > 0) this.takenAt = takenAt;
  }

  /** The head of the response has come, or the application has accepted or denied a WebSocket. */
  respond(now: number): void {
    if (this.state !== "queued") throw this.#illegal("respond");
    this.state = "responding";
    this.lastBytesAt = now;
  }

  /** The application has accepted a WebSocket. */
  accept(now: number): void {
    this.respond(now);
    this.isAccepted = true;
  }

  /** More of the response has come, or may come. */
  progress(now: number): void {
    if (this.state !== "responding") throw this.#illegal("progress");
    this.lastBytesAt = now;
  }

  /** The application has responded on its own socket: no deadline counts, and frames tell only the end. */
  detach(now: number): void {
    if (this.state !== "queued") throw this.#illegal("detach");
    this.state = "detached";
    this.lastBytesAt = now;
  }

  /** Nobody waits for the response any more. */
  abandon(now: number): void {
    const { state } = this;
    if (state !== "queued" && state !== "responding" && state !== "detached")
      throw this.#illegal("abandon");
    this.state = "abandoned";
    this.abandonedAt = now;
  }

  /** The job is over, in whatever way. */
  finish(): void {
    if (this.state === "done") throw this.#illegal("finish");
    this.state = "done";
  }

  /** The worker died before it responded: the job is new again. */
  retry(): void {
    if (!this.mayRetry) throw this.#illegal("retry");
    this.#wasRetried = true;
    this.requeue();
  }

  /** A worker has taken the page and not begun the request: the job is new again. */
  requeue(): void {
    if (this.state !== "queued") throw this.#illegal("requeue");
    this.state = "new";
    this.worker = 0;
    this.takenAt = 0;
    this.place = 0;
  }

  #illegal(move: string): JobStateError {
    return new JobStateError(`"${move}" of a job that is ${this.state}`);
  }
}

/** A job is changed by its moves only: outside this file its fields are read-only. */
export type Job = Readonly<MovableJob>;
export const Job: new (...given: ConstructorParameters<typeof MovableJob>) => Job = MovableJob;
