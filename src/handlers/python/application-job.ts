// One exchange on its way through the pool and back, whatever the interface: its record there, its answer
// here. It is told everything that happens to the request, by the client's side (ExchangeListener) and by
// the worker's (Job), and it alone decides what the client gets. Interfaces say how bodies travel.

import { ERRORS, type HttpError } from "../../http/error.ts";
import type { Exchange, ExchangeListener } from "../../http/exchange.ts";
import type { FieldSection } from "../../http/field-section.ts";
import type { ResponseHead } from "../../http/message.ts";
import { mayHaveBody, ResponseFault } from "../../http/response-head.ts";
import { monotonic } from "../../workers/clock.ts";
import { Job, type LostReason } from "../../workers/job.ts";
import type { ApplicationContext } from "./context.ts";
import { requestRecord } from "./record.ts";
import {
  parseEarlyHint,
  parseResponseHead,
  parseTrailers,
  type ConnectionFields,
} from "./response-record.ts";

/** RFC 9110 §9.2.1, without TRACE, which no application sees. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** A request of a client that has closed its sending side waits so long to be begun. */
const HALF_CLOSED_WAIT_MS = 250;

const LOST: Readonly<Record<LostReason, HttpError>> = {
  "worker-died": ERRORS.WORKER_DIED,
  "queue-full": ERRORS.QUEUE_FULL,
  "queue-timeout": ERRORS.QUEUE_TIMEOUT,
  overloaded: ERRORS.OVERLOADED,
  "no-workers": ERRORS.NO_WORKERS,
  deadline: ERRORS.DEADLINE,
  stopping: ERRORS.STOPPING,
};

export abstract class ApplicationJob extends Job implements ExchangeListener {
  readonly exchange: Exchange;
  protected readonly context: ApplicationContext;
  names = "";
  values = "";
  body: Buffer | null = null;
  isBodyInFile = false;
  isBodyStreamed = false;
  readonly timeout: number;
  readonly gapTimeout: number;

  constructor(exchange: Exchange, context: ApplicationContext) {
    super();
    this.exchange = exchange;
    this.context = context;
    const { timeout, gapTimeout } = context.timesOf(exchange.head.path);
    this.timeout = timeout;
    this.gapTimeout = gapTimeout;
    exchange.listener = this;
  }

  get isRepeatable(): boolean {
    const { method, bodyLength } = this.exchange.head;
    return this.context.mayRetry && bodyLength === 0 && SAFE_METHODS.has(method);
  }

  /** What becomes of fields of the connection that the application sends. */
  protected get connectionFields(): ConnectionFields {
    return "refuse";
  }

  /** Goes into the queue, now or when what it needs of the body is there. */
  abstract begin(): void;
  abstract onDrain(): void;
  abstract onGone(how: "reset" | "end"): void;
  abstract override isHeldByClient(): boolean;

  /** A body that is not streamed has gone with the page, or by FETCH. */
  onBodyWanted(_send: (piece: Buffer, isLast: boolean) => void): void {
    // Nothing is left to send.
  }

  onBodyRead(_bytes: number): void {
    // Nothing waits for it.
  }

  /** Passes bytes of the answer on. */
  protected abstract forward(bytes: Buffer): void;
  /** All bytes of the answer have come, and what stands behind them. */
  protected abstract finish(trailers?: FieldSection): void;
  /** Gives back what the request held. */
  protected abstract release(): void;

  onEarlyHint(record: string, count: number): void {
    const fields = this.#read(() => parseEarlyHint(record, count));
    if (fields !== null) {
      this.exchange.hint(fields);
      return;
    }
    this.context.pool.cancel(this);
    this.fail(ERRORS.RESPONSE_INVALID);
  }

  onHead(record: string, count: number, bytes: Buffer, isWhole: boolean): void {
    const { exchange } = this;
    const head = this.#read(() => parseResponseHead(record, count, this.connectionFields));
    if (head === null) {
      if (!isWhole) this.context.pool.cancel(this);
      this.end();
      exchange.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    const { handling } = exchange;
    handling.worker = this.worker;
    handling.queuedMs = (this.takenAt - this.submittedAt) * 1000;
    if (!isWhole) {
      exchange.start(head);
      if (bytes.length > 0) this.forward(bytes);
      return;
    }
    handling.runMs = (monotonic() - this.takenAt) * 1000;
    this.end();
    if (head.contentLength !== null && head.contentLength !== bytes.length && this.#hasBody(head)) {
      this.context.onFault(
        exchange,
        `the application sent ${bytes.length} bytes, its Content-Length says ${head.contentLength}`,
      );
      exchange.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    exchange.respond(head, bytes);
  }

  onBody(bytes: Buffer, isLast: boolean): void {
    if (bytes.length > 0) this.forward(bytes);
    if (!isLast) return;
    this.exchange.handling.runMs = (monotonic() - this.takenAt) * 1000;
    this.finish();
  }

  onTrailers(record: string, count: number): void {
    const trailers = this.#read(() => parseTrailers(record, count));
    if (trailers === null) {
      this.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    this.exchange.handling.runMs = (monotonic() - this.takenAt) * 1000;
    this.finish(trailers);
  }

  onFault(text: string): void {
    this.context.onFault(this.exchange, text);
    this.fail(ERRORS.APPLICATION_ERROR);
  }

  onLost(reason: LostReason): void {
    const { handling } = this.exchange;
    handling.worker = this.worker;
    if (this.takenAt > 0) {
      handling.queuedMs = (this.takenAt - this.submittedAt) * 1000;
      handling.runMs = (monotonic() - this.takenAt) * 1000;
    } else handling.queuedMs = (monotonic() - this.submittedAt) * 1000;
    this.fail(LOST[reason]);
  }

  protected submit(bodyLength: string, bodyFile: string): void {
    const record = requestRecord(this.exchange, bodyLength, bodyFile);
    this.names = record.names;
    this.values = record.values;
    this.context.pool.submit(this);
  }

  /** Gives bytes to the client; null: there were too many, and the exchange is over. */
  protected write(bytes: Buffer): boolean | null {
    const isFlowing = this.exchange.write(bytes);
    if (!this.exchange.isFinished) return isFlowing;
    // More bytes than its Content-Length: the connection is cut, the rest is nobody's.
    this.context.onFault(this.exchange, "the application sent more bytes than its Content-Length");
    this.abandon();
    return null;
  }

  /** The client has closed its sending side: what has not been begun a little later never is. */
  protected dropSoon(): void {
    setTimeout(() => {
      this.context.pool.halfClose(this, true);
      if (this.state !== "waiting") return;
      this.abandon();
      this.exchange.abort();
    }, HALF_CLOSED_WAIT_MS).unref();
  }

  /** Nobody waits for the answer any more. */
  protected abandon(): void {
    this.context.pool.cancel(this);
    this.end();
  }

  /** Before the head the client gets an answer; after it only a cut says that the answer is not whole. */
  protected fail(error: HttpError): void {
    this.end();
    if (this.exchange.isResponding) this.exchange.abort();
    else this.exchange.fail(error);
  }

  /** Gives back what the request held. The answer, if it is whole, is already the connection's. */
  protected end(): void {
    this.exchange.listener = null;
    this.release();
  }

  /** Null: it must not be sent, and the log says why. */
  #read<T>(parse: () => T): T | null {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error;
      this.context.onFault(this.exchange, error.message);
      return null;
    }
  }

  #hasBody(head: ResponseHead): boolean {
    return mayHaveBody(this.exchange.head.method, head.status);
  }
}

/** The request of a job that a handler made; null for any other. */
export function exchangeOf(job: Job): Exchange | null {
  return job instanceof ApplicationJob ? job.exchange : null;
}
