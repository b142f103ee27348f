// One request of a Python application: joins an exchange and a job, hears both, and decides alone what the
// client gets. How bodies travel is the interface's, WSGI's or ASGI's (InterfaceRules).
//
//   exchange ──onDrain, onGone──▶ PythonRequest ◀──onHead, onBody, onFault, onLost …── job
//                              RequestBody, Spool

import type { DroppedFields } from "../../http/connection-fields.ts";
import { ERRORS, type HttpError } from "../../http/error.ts";
import type { Exchange, ExchangeListener, Handling, UpgradedStream } from "../../http/exchange.ts";
import type { FieldSection } from "../../http/field-section.ts";
import type { ResponseHead } from "../../http/message.ts";
import { isLive, mayHaveBody, ResponseFault } from "../../http/response-head.ts";
import type { Representation } from "../../http/selected-response.ts";
import { Spool } from "../../net/spool.ts";
import { monotonicMs } from "../../workers/clock.ts";
import {
  Job,
  type FilePart,
  type JobListener,
  type JobRequest,
  type LostReason,
} from "../../workers/job.ts";
import type { ApplicationContext } from "./context.ts";
import { HandedJob, sendFile } from "./handed-files.ts";
import { partResponse } from "./handed-heads.ts";
import { recordNames, recordValues } from "./record.ts";
import { ResponseCredit } from "./response-credit.ts";
import { parseEarlyHint, parseResponseHead, parseTrailers } from "./response-record.ts";

/** RFC 9110 §9.2.1, without TRACE, which no application sees. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** For a request to be begun whose client has closed its sending side. */
const HALF_CLOSED_WAIT_MS = 250;

/** A worker that sends a live response has so much credit, and gets more in steps of a quarter. */
const LIVE_STEP_BYTES = 65_536;

/** Where memory is short, larger pieces of a response wait in the spool and not with the client's connection. */
const SPOOLED_BYTES = 65_536;

const EMPTY = Buffer.alloc(0);

const LOST: Readonly<Record<LostReason, HttpError>> = {
  "worker-died": ERRORS.WORKER_DIED,
  "queue-full": ERRORS.QUEUE_FULL,
  "web-sockets-full": ERRORS.WEBSOCKETS_FULL,
  "queue-timeout": ERRORS.QUEUE_TIMEOUT,
  overloaded: ERRORS.OVERLOADED,
  "no-workers": ERRORS.NO_WORKERS,
  deadline: ERRORS.DEADLINE,
  stopping: ERRORS.STOPPING,
};

/** The body of a request on its way to a worker. */
export interface RequestBody {
  /** Takes the body from the client, and calls one of the request's `submit…` methods, now or later. */
  begin(): void;
  /** The worker asks for a streamed body: from here on pieces go to `send`. */
  flow?(send: (piece: Buffer, isLast: boolean) => void): void;
  /** The application has read `bytes` of it. */
  grant?(bytes: number): void;
  /** The request is over: gives back memory and files. */
  release(): void;
}

/** What WSGI and ASGI do differently with a request. */
export interface InterfaceRules {
  /** What becomes of fields of the connection that the application sends. */
  readonly droppedFields: DroppedFields;
  /** Whether a running application hears that its client has closed its sending side. */
  readonly hearsHalfClose: boolean;
  /**
   * Whether bytes that a slow client does not take go into memory and then into a file, so that the worker
   * is free, unless the response is live; else the worker waits with the client.
   */
  readonly spoolsResponses: boolean;
  /** Whether the application of a WebSocket gets a socket; else messages. */
  readonly offersSocket: boolean;
  /** Credit for a response is given in steps of so many bytes; a quarter of what a worker has at first. */
  readonly creditStepBytes: number;
  readonly openRequestBody: (request: PythonRequest) => RequestBody;
}

export class PythonRequest implements ExchangeListener, Handling, JobRequest, JobListener {
  readonly exchange: Exchange;
  readonly context: ApplicationContext;
  readonly job: Job;
  names = "";
  values = "";
  body: Buffer | null = null;
  isBodyInFile = false;
  isBodyStreamed = false;
  readonly isWebSocket: boolean;
  readonly offersSocket: boolean;
  readonly timeoutMs: number;
  readonly gapTimeoutMs: number;
  readonly abandonTimeoutMs: number | null;
  readonly #rules: InterfaceRules;
  #requestBody: RequestBody | null = null;
  /** Null until a response comes in pieces. */
  #credit: ResponseCredit | null = null;
  /** Null until bytes of the response have to wait here. */
  #spool: Spool | null = null;
  /** Whether bytes that the client does not take go into the spool. */
  #isSpooled = false;
  /** Whether the client keeps up with the response. */
  #isFlowing = true;
  /** When the application had responded, or had accepted a WebSocket; 0: it has not, or never will. */
  #respondedAt = 0;
  /** Why the job has ended without the application; "": it has not. */
  #lost: LostReason | "" = "";
  /** Number of a worker that has the request and takes no more; 0: none has said so. */
  #leavingWorker = 0;

  constructor(
    exchange: Exchange,
    context: ApplicationContext,
    rules: InterfaceRules,
    isWebSocket = false,
  ) {
    this.exchange = exchange;
    this.context = context;
    this.#rules = rules;
    this.isWebSocket = isWebSocket;
    this.offersSocket = rules.offersSocket;
    const { timeoutMs, gapTimeoutMs } = context.timesOf(exchange.head.path);
    this.timeoutMs = timeoutMs;
    this.gapTimeoutMs = gapTimeoutMs;
    this.abandonTimeoutMs = context.abandonTimeoutMs;
    this.job = new Job(this, this);
    exchange.listener = this;
    exchange.handling = this;
  }

  get worker(): number {
    return this.job.worker;
  }

  get queuedMs(): number | null {
    const { submittedAt, takenAt } = this.job;
    if (takenAt > 0) return takenAt - submittedAt;
    if (this.#mayHaveRun) return null;
    // The body of a request that is not submitted was still on its way.
    return submittedAt === 0 ? 0 : monotonicMs() - submittedAt;
  }

  get runMs(): number | null {
    const { takenAt } = this.job;
    if (takenAt === 0) return this.#mayHaveRun ? null : 0;
    return (this.#respondedAt || monotonicMs()) - takenAt;
  }

  get isAbandoned(): boolean {
    return this.job.state === "abandoned";
  }

  /** Whether a worker may have had the request that no worker has told of. */
  get #mayHaveRun(): boolean {
    const { state } = this.job;
    return state === "queued" || state === "abandoned" || this.#lost === "worker-died";
  }

  get isRepeatable(): boolean {
    const { method, bodyLength } = this.exchange.head;
    // The method of a handshake is GET or, in HTTP/2, CONNECT.
    const isSafe = this.isWebSocket || (bodyLength === 0 && SAFE_METHODS.has(method));
    return this.context.mayRetry && isSafe;
  }

  /** Whether the worker that has the request takes no more. */
  get isWorkerLeaving(): boolean {
    return this.#leavingWorker !== 0 && this.#leavingWorker === this.job.worker;
  }

  /** Goes into the queue, now or when enough of the body is there. */
  begin(): void {
    // What follows a handshake is no body.
    if (this.isWebSocket || this.exchange.head.bodyLength === 0) {
      this.submit(null);
      return;
    }
    this.#requestBody = this.#rules.openRequestBody(this);
    this.#requestBody.begin();
  }

  /** Goes into the queue, with a whole body in memory or without one. */
  submit(body: Buffer | null): void {
    this.body = body;
    this.#enqueue(body?.length ?? 0, "");
  }

  /** Goes into the queue, with a whole body in a file. */
  submitFile(path: string, length: number): void {
    this.isBodyInFile = true;
    this.#enqueue(length, path);
  }

  /** Goes into the queue; the body follows while the application reads it. */
  submitStreamed(): void {
    this.isBodyStreamed = true;
    this.#enqueue(null, "");
  }

  /** Null: the body's length is not known yet. */
  #enqueue(bodyLength: number | null, bodyFile: string): void {
    const { exchange } = this;
    const isUndeclared = exchange.head.bodyLength === null && bodyLength !== null;
    this.names = recordNames(exchange.effectiveHead);
    this.values = recordValues(exchange, isUndeclared ? String(bodyLength) : "", bodyFile);
    this.context.pool.submit(this.job);
  }

  onDrain(): void {
    this.#isFlowing = true;
    if (this.#spool === null) this.#credit?.flush();
    else this.#spool.drain();
  }

  onGone(how: "reset" | "end"): void {
    if (how === "reset") {
      this.abandon();
      return;
    }
    if (this.isWebSocket && !this.exchange.isResponding) {
      this.#drop();
      return;
    }
    // A client that has only closed its sending side looks like one that has left. A request that runs is
    // answered; one that still waits a little later is not begun.
    if (this.#rules.hearsHalfClose) this.context.pool.halfClose(this.job, false);
    setTimeout(() => {
      this.context.pool.halfClose(this.job, true);
      if (this.job.state === "waiting") this.#drop();
    }, HALF_CLOSED_WAIT_MS).unref();
  }

  onHead(record: string, count: number, bytes: Buffer, isWhole: boolean): void {
    const { exchange } = this;
    const head = this.#readHead(record, count, isWhole);
    if (head === null) return;
    const hasBody = mayHaveBody(exchange.head.method, head.status);
    if (!isWhole && hasBody) {
      this.#startBody(head, bytes);
      return;
    }
    this.#respondedAt = this.job.lastBytesAt;
    if (!isWhole) {
      // The response ends with its head, whatever the application goes on to send.
      this.abandon();
      exchange.respond(head, EMPTY);
      return;
    }
    const { contentLength } = head;
    const hasItsLength = contentLength === null || contentLength === bytes.length;
    if (hasBody && hasItsLength && this.#mustSpool(bytes)) {
      this.#startBody(head, bytes);
      this.#finish();
      return;
    }
    this.end();
    if (hasBody && contentLength !== null && contentLength !== bytes.length) {
      this.context.onFault(
        exchange,
        `the application sent ${bytes.length} bytes, its Content-Length says ${contentLength}`,
      );
      exchange.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    exchange.respond(head, bytes);
  }

  onFile(record: string, count: number, part: FilePart, tell: (isOpen: boolean) => boolean): void {
    const head = this.#readHead(record, count, false);
    const response = head && this.parse(() => partResponse(head, part.length));
    if (response !== null) void this.#sendPart(response, part, tell);
    else if (head !== null) {
      this.context.pool.cancel(this.job);
      this.fail(ERRORS.RESPONSE_INVALID);
    }
  }

  async #sendPart(
    response: Representation,
    part: FilePart,
    tell: (isOpen: boolean) => boolean,
  ): Promise<void> {
    const { exchange, context, job } = this;
    const file = await context.files.openPart(part, response);
    if (!tell(file !== null) || file === null) {
      file?.close();
      return;
    }
    this.#respondedAt = job.lastBytesAt;
    job.listenWith(new HandedJob((text) => context.onFault(exchange, text)));
    this.end();
    sendFile(exchange, file, response, part.offset);
  }

  /** Null: the head must not be sent, or orders the server to send something else, and that is done. */
  #readHead(record: string, count: number, isWhole: boolean): ResponseHead | null {
    const { exchange, context } = this;
    const { droppedFields } = this.#rules;
    const head = this.parse(() => parseResponseHead(record, count, droppedFields));
    if (head === null) {
      if (!isWhole) context.pool.cancel(this.job);
      this.fail(ERRORS.RESPONSE_INVALID);
      return null;
    }
    if (!head.hasOrders) return head;
    const order = context.files.orderIn(head);
    if (order === null) return context.files.passedHead(head, exchange.peerAddress);
    this.#respondedAt = this.job.lastBytesAt;
    // The file takes the place of the application's body.
    if (isWhole) this.end();
    else this.abandon();
    void context.files.send(exchange, head, order, (text) => context.onFault(exchange, text));
    return null;
  }

  /** Sends the head of a response in pieces, and its first piece. */
  #startBody(head: ResponseHead, bytes: Buffer): void {
    const { spoolsResponses, creditStepBytes } = this.#rules;
    this.#isSpooled = spoolsResponses && !isLive(head);
    const stepBytes = spoolsResponses && !this.#isSpooled ? LIVE_STEP_BYTES : creditStepBytes;
    this.#credit = new ResponseCredit(this.context.pool, this.job, stepBytes);
    this.exchange.start(head);
    // The head was one that cannot be sent.
    if (this.exchange.isFinished) this.abandon();
    else if (bytes.length > 0) this.#forward(bytes);
  }

  onBody(bytes: Buffer, isLast: boolean): void {
    if (bytes.length > 0) this.#forward(bytes);
    if (isLast) this.#finish();
  }

  onTrailers(record: string, count: number): void {
    const trailers = this.parse(() => parseTrailers(record, count));
    if (trailers === null) {
      this.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    this.#finish(trailers);
  }

  onEarlyHint(record: string, count: number): void {
    const fields = this.parse(() => parseEarlyHint(record, count));
    if (fields !== null) {
      this.exchange.hint(fields);
      return;
    }
    this.context.pool.cancel(this.job);
    this.fail(ERRORS.RESPONSE_INVALID);
  }

  onBodyWanted(send: (piece: Buffer, isLast: boolean) => void): void {
    this.#requestBody?.flow?.(send);
  }

  onBodyRead(bytes: number): void {
    this.#requestBody?.grant?.(bytes);
  }

  onFault(text: string): void {
    this.context.onFault(this.exchange, text);
    this.fail(ERRORS.APPLICATION_ERROR);
  }

  onLost(reason: LostReason): void {
    this.#lost = reason;
    this.fail(LOST[reason]);
  }

  // A denied handshake has its response: what the application does afterwards has no deadline.
  isHeldByClient(): boolean {
    return this.exchange.isFinished || (this.#spool?.isHeld ?? !this.#isFlowing);
  }

  onWorkerLeaving(): void {
    this.#leavingWorker = this.job.worker;
  }

  /**
   * The connection leaves HTTP: the exchange is answered with 101, and others hear of it and the job from
   * here on. Null: the client has left, or has a response.
   */
  upgrade(head: ResponseHead): UpgradedStream | null {
    const upgraded = this.exchange.upgrade(head);
    if (upgraded === null) return null;
    this.exchange.listener = null;
    this.#respondedAt = monotonicMs();
    return upgraded;
  }

  /** Nobody waits for the response any more. */
  abandon(): void {
    this.context.pool.cancel(this.job);
    this.end();
  }

  /** Before the head the client gets an error response; after it only a cut says that there is no more. */
  fail(error: HttpError): void {
    this.end();
    if (this.exchange.isResponding) this.exchange.abort();
    else this.exchange.fail(error);
  }

  /** A temporary file could not be written or read. */
  failStore(error: Error): void {
    this.context.onStoreFailure(this.exchange, error);
    this.context.pool.cancel(this.job);
    this.fail(ERRORS.SPILL_FAILED);
  }

  #forward(bytes: Buffer): void {
    if (this.#spool === null && this.#isSpooled && this.#mustSpool(bytes)) {
      this.#spool = this.#openSpool();
      this.#spool.push(bytes);
      this.#spool.drain();
      return;
    }
    if (this.#spool !== null) {
      this.#spool.push(bytes);
      return;
    }
    const { exchange, context } = this;
    // The connection may free the bytes.
    const { length } = bytes;
    this.#isFlowing = exchange.write(bytes);
    if (exchange.isFinished) {
      context.onFault(exchange, "the application sent more bytes than its Content-Length");
      this.abandon();
      return;
    }
    this.#credit?.add(length, this.#isFlowing || this.#isSpooled);
    if (!this.#isFlowing && this.#isSpooled) this.#spool = this.#openSpool();
  }

  #mustSpool(bytes: Buffer): boolean {
    return this.#rules.spoolsResponses && bytes.length > SPOOLED_BYTES && !this.exchange.hasRoom;
  }

  #openSpool(): Spool {
    const { exchange, context } = this;
    return new Spool({
      folder: context.folder,
      budget: context.budget,
      maxFileBytes: context.maxResponseSpill,
      write: (chunk) => exchange.write(chunk),
      isTight: () => !exchange.hasRoom,
      end: () => this.#endResponse(),
      accept: (bytes) => this.#credit?.add(bytes, true),
      fail: (error) => this.failStore(error),
    });
  }

  /** All bytes of the response have come. Trailers are ASGI's, which does not spool. */
  #finish(trailers?: FieldSection): void {
    this.#respondedAt = this.job.lastBytesAt;
    if (this.#spool === null) this.#endResponse(trailers);
    else this.#spool.end();
  }

  #endResponse(trailers?: FieldSection): void {
    this.end();
    this.exchange.end(trailers);
  }

  #drop(): void {
    this.abandon();
    this.exchange.abort();
  }

  /** Gives back what the request held. A response that is whole is the connection's already. */
  protected end(): void {
    this.exchange.listener = null;
    this.#requestBody?.release();
    this.#spool?.destroy();
    this.#spool = null;
  }

  /** Null: the record must not be sent, and the log says why. */
  protected parse<T>(read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error;
      this.context.onFault(this.exchange, error.message);
      return null;
    }
  }
}

/** The exchange of a job that a handler made; null for any other job. */
export function exchangeOf({ request }: Job): Exchange | null {
  return request instanceof PythonRequest ? request.exchange : null;
}
