// One exchange on its way through the pool and back: its record and body there, its answer here. It
// is told everything that happens to the request, by the client's side (ExchangeListener) and by the
// worker's (Job), and it alone decides what the client gets.

import { ERRORS, type HttpError } from "../../http/error.ts";
import type { Exchange, ExchangeListener } from "../../http/exchange.ts";
import type { ResponseHead } from "../../http/message.ts";
import { mayHaveBody, parseResponseHead, ResponseFault } from "../../http/response-head.ts";
import { Spool } from "../../net/spool.ts";
import { monotonic } from "../../workers/clock.ts";
import { Job, type LostReason } from "../../workers/job.ts";
import { RequestBody, type ReceivedBody } from "./request-body.ts";
import { requestRecord } from "./record.ts";
import type { WsgiContext } from "./context.ts";

/** A request of a client that has closed its sending side waits so long to be begun. */
const HALF_CLOSED_WAIT_MS = 250;
/** RFC 9110 §9.2.1, without TRACE, which no application sees. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** Credit is given back in steps of at least this: a frame for each chunk would double the frames. */
const CREDIT_STEP_BYTES = 262_144;

const LOST: Readonly<Record<LostReason, HttpError>> = {
  died: ERRORS.WORKER_DIED,
  full: ERRORS.QUEUE_FULL,
  expired: ERRORS.QUEUE_TIMEOUT,
  hopeless: ERRORS.OVERLOADED,
  unstaffed: ERRORS.NO_WORKERS,
  deadline: ERRORS.DEADLINE,
  stopped: ERRORS.STOPPING,
};

export class WsgiJob extends Job implements ExchangeListener {
  readonly exchange: Exchange;
  readonly #context: WsgiContext;
  names = "";
  values = "";
  body: Buffer | null = null;
  isBodyInFile = false;
  readonly timeout: number;
  #received: RequestBody | null = null;
  #spool: Spool | null = null;
  /** Bytes accepted and not yet given back as credit. */
  #accepted = 0;

  constructor(exchange: Exchange, context: WsgiContext) {
    super();
    this.exchange = exchange;
    this.#context = context;
    this.timeout = context.timeoutOf(exchange.head.path);
    exchange.listener = this;
  }

  get isRepeatable(): boolean {
    const { method, bodyLength } = this.exchange.head;
    return this.#context.mayRetry && bodyLength === 0 && SAFE_METHODS.has(method);
  }

  /** Receives the body, if there is one, and goes into the queue. */
  begin(): void {
    const { exchange } = this;
    if (exchange.head.bodyLength === 0) {
      this.#submit("", "");
      return;
    }
    this.#received = new RequestBody(
      exchange,
      this.#context,
      (body) => this.#onBodyReceived(body),
      (error) => this.#onStoreFailure(error),
    );
    exchange.receive(this.#received);
  }

  onHead(record: string, count: number, bytes: Buffer, isWhole: boolean): void {
    const { exchange } = this;
    const head = this.#readHead(record, count);
    if (head === null) {
      if (!isWhole) this.#context.pool.cancel(this);
      this.#end();
      exchange.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    const { timing } = exchange;
    timing.worker = this.worker;
    timing.queued = (this.takenAt - this.submittedAt) * 1000;
    if (!isWhole) {
      exchange.start(head);
      if (bytes.length > 0) this.#forward(bytes);
      return;
    }
    timing.application = (monotonic() - this.takenAt) * 1000;
    this.#end();
    if (head.contentLength !== null && head.contentLength !== bytes.length && this.#hasBody(head)) {
      this.#context.onFault(
        exchange,
        `the application sent ${bytes.length} bytes, its Content-Length says ${head.contentLength}`,
      );
      exchange.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    exchange.respond(head, bytes);
  }

  onBody(bytes: Buffer, isLast: boolean): void {
    if (bytes.length > 0) this.#forward(bytes);
    if (!isLast) return;
    this.exchange.timing.application = (monotonic() - this.takenAt) * 1000;
    if (this.#spool === null) this.#finish();
    else this.#spool.end();
  }

  onFault(text: string): void {
    this.#context.onFault(this.exchange, text);
    this.#fail(ERRORS.APPLICATION_ERROR);
  }

  onLost(reason: LostReason): void {
    const { timing } = this.exchange;
    timing.worker = this.worker;
    if (this.takenAt > 0) {
      timing.queued = (this.takenAt - this.submittedAt) * 1000;
      timing.application = (monotonic() - this.takenAt) * 1000;
    } else timing.queued = (monotonic() - this.submittedAt) * 1000;
    this.#fail(LOST[reason]);
  }

  isHeldByClient(): boolean {
    return this.#spool?.isHeld ?? false;
  }

  onDrain(): void {
    this.#spool?.drain();
  }

  onGone(how: "reset" | "end"): void {
    if (how === "end") {
      // Close and half-close look alike (DESIGN: when has a client left?): what runs is still
      // answered, what waits is dropped a little later.
      setTimeout(() => this.#dropIfWaiting(), HALF_CLOSED_WAIT_MS).unref();
      return;
    }
    this.#context.pool.cancel(this);
    this.#end();
  }

  #onBodyReceived(body: ReceivedBody): void {
    this.body = body.bytes;
    this.isBodyInFile = body.file !== null;
    const isLengthKnown = this.exchange.head.bodyLength !== null;
    this.#submit(isLengthKnown ? "" : String(body.length), body.file ?? "");
  }

  #submit(bodyLength: string, bodyFile: string): void {
    const record = requestRecord(this.exchange, bodyLength, bodyFile);
    this.names = record.names;
    this.values = record.values;
    this.#context.pool.submit(this);
  }

  #readHead(record: string, count: number): ResponseHead | null {
    try {
      return parseResponseHead(record, count);
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error;
      this.#context.onFault(this.exchange, error.message);
      return null;
    }
  }

  #hasBody(head: ResponseHead): boolean {
    return mayHaveBody(this.exchange.head.method, head.status);
  }

  // Straight through while the client keeps up; the spool comes with the first bytes that have to wait.
  #forward(bytes: Buffer): void {
    if (this.#spool !== null) {
      this.#spool.push(bytes);
      return;
    }
    const { length } = bytes;
    const isFlowing = this.exchange.write(bytes);
    if (this.exchange.isFinished) {
      // More bytes than its Content-Length: the connection is cut, the rest is nobody's.
      this.#context.onFault(
        this.exchange,
        "the application sent more bytes than its Content-Length",
      );
      this.#context.pool.cancel(this);
      this.#end();
      return;
    }
    this.#accept(length);
    if (!isFlowing) this.#spool = this.#openSpool();
  }

  #openSpool(): Spool {
    const { exchange } = this;
    return new Spool({
      folder: this.#context.folder,
      budget: this.#context.budget,
      maxFileBytes: this.#context.maxResponseSpill,
      isSinkFull: true,
      write: (chunk) => exchange.write(chunk),
      end: () => this.#finish(),
      accept: (bytes) => this.#accept(bytes),
      fail: (error) => this.#onStoreFailure(error),
    });
  }

  #accept(bytes: number): void {
    this.#accepted += bytes;
    if (this.#accepted < CREDIT_STEP_BYTES) return;
    this.#context.pool.credit(this, this.#accepted);
    this.#accepted = 0;
  }

  #finish(): void {
    this.#end();
    this.exchange.end();
  }

  #onStoreFailure(error: Error): void {
    this.#context.onStoreFailure(this.exchange, error);
    this.#context.pool.cancel(this);
    this.#fail(ERRORS.SPILL_FAILED);
  }

  #dropIfWaiting(): void {
    if (this.state !== "waiting") return;
    this.#context.pool.cancel(this);
    this.#end();
    this.exchange.abort();
  }

  // Before the head the client gets an answer; after it only a cut says that the answer is not whole.
  #fail(error: HttpError): void {
    this.#end();
    if (this.exchange.isAnswering) this.exchange.abort();
    else this.exchange.fail(error);
  }

  /** Gives back what the request held. The answer, if it is whole, is already the connection's. */
  #end(): void {
    this.exchange.listener = null;
    this.#received?.release();
    this.#spool?.destroy();
    this.#spool = null;
  }
}
