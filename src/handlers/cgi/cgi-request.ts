// One request of a CGI program: joins an exchange and a run of the program, hears both, and decides alone what the
// client gets. The run and the response end independently of one another: a program may go on when its response is
// whole, and a slow client may still read when the program has ended.
//
//   run:      receiving ─▶ waiting ─▶ running ─▶ over
//   response: head ─▶ body ─▶ whole ─▶ done        whole: as long as Content-Length says
//               └▶ untyped ─────────────▲          untyped: without Content-Type, so no body may follow

import {
  environmentBytes,
  MAX_ENVIRONMENT_BYTES,
  programArguments,
  programVariables,
} from "../../cgi/variables.ts";
import type { ProgramRefusal, WaitingProgram } from "../../cgi/program-queue.ts";
import type {
  ProgramEnd,
  ProgramInput,
  ProgramListener,
  RunningProgram,
} from "../../cgi/program.ts";
import { HeadReader, type ProgramResponse, type ReadHead } from "../../cgi/response.ts";
import { ERRORS, type HttpError } from "../../http/error.ts";
import type { Exchange, ExchangeListener, Handling } from "../../http/exchange.ts";
import type { ResponseHead } from "../../http/message.ts";
import { isLive, mayHaveBody, ResponseFault } from "../../http/response-head.ts";
import { Spool } from "../../net/spool.ts";
import { passedHead } from "../python/handed-heads.ts";
import { ReceivedBody, type ReceivingRequest } from "../python/received-body.ts";
import type { CgiContext, CgiOptions } from "./context.ts";
import { ErrorText } from "./error-text.ts";
import type { FoundProgram } from "./program-finder.ts";

/** For a request to be begun whose client has closed its sending side. */
const HALF_CLOSED_WAIT_MS = 250;
/** Bytes that the spool may hold without room for them before the program has to wait. */
const MAX_UNACCEPTED_BYTES = 262_144;

const EMPTY = Buffer.alloc(0);
const NO_INPUT: ProgramInput = { kind: "none" };

export class CgiRequest
  implements ExchangeListener, Handling, ProgramListener, ReceivingRequest, WaitingProgram
{
  readonly exchange: Exchange;
  readonly context: CgiContext;
  /** Process of the program. */
  worker = 0;
  readonly #options: CgiOptions;
  readonly #found: FoundProgram;
  #run: "receiving" | "waiting" | "running" | "over" = "receiving";
  #response: "head" | "untyped" | "body" | "whole" | "done" = "head";
  #body: ReceivedBody | null = null;
  #input = NO_INPUT;
  #bodyBytes = 0;
  #program: RunningProgram | null = null;
  #hasOutputEnded = false;
  /** Whether the client has left. */
  #isAbandoned = false;
  /** Whether the program was ended by this request, so that its exit code says nothing. */
  #wasEnded = false;
  /** What was wrong with the output; goes to the log with the exit code. */
  #fault = "";
  /** Null until the program writes to its standard error. */
  #errorText: ErrorText | null = null;
  readonly #reader = new HeadReader();
  /** The head of a response without Content-Type, which is sent if no body follows. */
  #head: ResponseHead | null = null;
  /** Bytes that Content-Length has announced and that have not come. */
  #missing = Infinity;
  /** Null until bytes of the response have to wait here. */
  #spool: Spool | null = null;
  /** Whether bytes that the client does not take go into the spool. */
  #isSpooled = false;
  /** Bytes that the spool has no room for yet. */
  #unaccepted = 0;
  /** Whether the program waits for the client. */
  #isPaused = false;
  #timer: NodeJS.Timeout | null = null;
  /** performance.now() at each step; 0: not yet. */
  #submittedAt = 0;
  #startedAt = 0;
  #respondedAt = 0;

  constructor(exchange: Exchange, options: CgiOptions, found: FoundProgram) {
    this.exchange = exchange;
    this.context = options.context;
    this.#options = options;
    this.#found = found;
    exchange.listener = this;
    exchange.handling = this;
  }

  get queuedMs(): number {
    if (this.#submittedAt === 0) return 0;
    return (this.#startedAt || performance.now()) - this.#submittedAt;
  }

  get runMs(): number {
    if (this.#startedAt === 0) return 0;
    return (this.#respondedAt || performance.now()) - this.#startedAt;
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned && this.#run === "running";
  }

  /** Receives the body, then waits for a place, then runs the program. */
  start(): void {
    if (this.exchange.head.bodyLength === 0) {
      this.submit(null);
      return;
    }
    this.#body = new ReceivedBody(this);
    this.#body.begin();
  }

  submit(body: Buffer | null): void {
    this.#enqueue(body === null ? NO_INPUT : { kind: "memory", bytes: body }, body?.length ?? 0);
  }

  submitFile(path: string, length: number): void {
    this.#enqueue({ kind: "file", path, length }, length);
  }

  #enqueue(input: ProgramInput, length: number): void {
    this.#input = input;
    this.#bodyBytes = length;
    this.#run = "waiting";
    this.#submittedAt = performance.now();
    this.context.queue.enter(this);
  }

  refuse(reason: ProgramRefusal): void {
    this.#leave();
    this.fail(reason === "queue-full" ? ERRORS.QUEUE_FULL : ERRORS.QUEUE_TIMEOUT);
  }

  begin(): void {
    const { exchange, context } = this;
    const { file, python, folder } = this.#found;
    const { isWarm: mayBeWarm, preload, timeoutMs } = this.#options;
    this.#run = "running";
    this.#startedAt = performance.now();
    const options = { ...this.#options, software: context.software };
    const environment = programVariables(exchange, this.#found, this.#bodyBytes, options);
    const args = programArguments(exchange.effectiveHead);
    const isTooLarge = environmentBytes(environment, args) > MAX_ENVIRONMENT_BYTES;
    if (isTooLarge || !context.openFiles.mayOpen()) {
      this.#finishRun();
      this.fail(isTooLarge ? ERRORS.HEAD_TOO_LARGE : ERRORS.NO_DESCRIPTORS);
      return;
    }
    this.#arm(timeoutMs);
    const request = { program: file, python, args, folder, environment, mayBeWarm, preload };
    this.#program = context.runner.run({ ...request, input: this.#input }, this);
  }

  onStarted(pid: number): void {
    this.worker = pid;
  }

  onOutput(bytes: Buffer): void {
    if (this.#response === "body") {
      this.#timer?.refresh();
      this.#forward(bytes);
    } else if (this.#response === "head") this.#readHead(bytes);
    else if (this.#response === "untyped") this.#refuseResponse("a body needs a Content-Type");
    else if (this.#response === "whole") this.#tellSurplus();
  }

  onOutputEnd(): void {
    if (this.#hasOutputEnded) return;
    this.#hasOutputEnded = true;
    if (this.#response === "head") {
      this.#fault = this.#reader.isEmpty
        ? "the program has sent no response"
        : "the program has not ended its header block with an empty line";
      this.fail(ERRORS.APPLICATION_ERROR);
    } else if (this.#response === "untyped" && this.#head !== null) {
      this.#missing = this.#head.contentLength ?? 0;
      if (this.#missing === 0) this.#respond(this.#head);
      else this.fail(ERRORS.RESPONSE_INVALID);
    } else if (this.#response === "body") this.#finishResponse("done");
    if (this.#missing > 0 && this.#missing < Infinity)
      this.#fault = `the program has sent ${this.#missing} bytes less than its Content-Length says`;
  }

  onErrorText(text: string): void {
    this.#errorText ??= new ErrorText((whole) =>
      this.context.onErrorText(this.exchange, this.#found.file, whole),
    );
    this.#errorText.add(text);
  }

  onEnd(end: ProgramEnd): void {
    if (this.#run !== "running") return;
    this.#errorText?.flush();
    if (end.failure === "") this.onOutputEnd();
    else if (this.#response !== "whole" && this.#response !== "done")
      this.fail(failureError(end, this.worker));
    this.#tellEnd(end);
    this.#finishRun();
  }

  onDrain(): void {
    if (this.#spool === null) this.#resume();
    else this.#spool.drain();
  }

  onGone(how: "reset" | "end"): void {
    if (how === "reset") this.#abandon();
    // A client that has only closed its sending side looks like one that has left. A program that runs goes on; a
    // request that still waits a little later is not begun.
    else
      setTimeout(() => {
        if (this.#run !== "waiting") return;
        this.#abandon();
        this.exchange.abort();
      }, HALF_CLOSED_WAIT_MS).unref();
  }

  /** Before the head the client gets an error response; after it only a cut says that there is no more. */
  fail(error: HttpError): void {
    const { exchange } = this;
    if (this.#run === "receiving") this.#leave();
    this.#endResponse();
    if (exchange.isResponding) exchange.abort();
    else exchange.fail(error);
  }

  failStore(error: Error): void {
    this.context.onStoreFailure(this.exchange, error);
    this.#endProgram("end");
    this.fail(ERRORS.SPILL_FAILED);
  }

  #readHead(bytes: Buffer): void {
    let read: ReadHead | null = null;
    try {
      read = this.#reader.push(bytes);
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error;
      this.#refuseResponse(error.message);
    }
    if (read === null) return;
    const { response, bodyAt } = read;
    if (response.kind === "document") this.#startDocument(response, bytes.subarray(bodyAt));
    else this.#redirect(response.path, response.query);
  }

  #startDocument(
    { head: first, hasType }: ProgramResponse & { readonly kind: "document" },
    bytes: Buffer,
  ): void {
    const { exchange, context } = this;
    const isForProxy = context.isTrustedProxy(exchange.peerAddress);
    const head = first.hasOrders ? passedHead(first, isForProxy) : first;
    if (!mayHaveBody(exchange.head.method, head.status)) {
      this.#respond(head);
      return;
    }
    if (!hasType) {
      this.#head = head;
      this.#response = "untyped";
      if (bytes.length > 0) this.onOutput(bytes);
      return;
    }
    this.#response = "body";
    this.#isSpooled = !isLive(head);
    this.#missing = head.contentLength ?? Infinity;
    this.#arm(this.#options.timeoutMs);
    exchange.start(head);
    // The head was one that cannot be sent.
    if (exchange.isFinished) this.#abandon();
    else if (bytes.length > 0) this.#forward(bytes);
  }

  /** Responds with a head alone. */
  #respond(head: ResponseHead): void {
    this.#endResponse();
    this.exchange.respond(head, EMPTY);
  }

  #redirect(path: string, query: string): void {
    const { exchange, context } = this;
    this.#endResponse();
    if (exchange.redirect(path, query)) context.reroute(exchange);
    else {
      context.onFault(exchange, this.#found.file, "too many local redirects follow one another");
      exchange.fail(ERRORS.RESPONSE_INVALID);
    }
  }

  #forward(bytes: Buffer): void {
    const sent = bytes.length > this.#missing ? bytes.subarray(0, this.#missing) : bytes;
    this.#missing -= sent.length;
    // Bytes are valid during the call only, and the exchange takes over what it gets.
    if (sent.length > 0) this.#send(Buffer.from(sent));
    if (this.#missing > 0 || this.#response !== "body") return;
    this.#finishResponse("whole");
    if (sent.length < bytes.length) this.#tellSurplus();
  }

  #send(chunk: Buffer): void {
    if (this.#spool === null) {
      if (this.exchange.write(chunk)) return;
      if (this.#isSpooled) this.#spool = this.#openSpool();
      else this.#pause();
      return;
    }
    this.#unaccepted += chunk.length;
    this.#spool.push(chunk);
    if (this.#unaccepted > MAX_UNACCEPTED_BYTES) this.#pause();
  }

  #openSpool(): Spool {
    const { exchange, context } = this;
    return new Spool({
      folder: context.folder,
      budget: context.budget,
      maxFileBytes: context.maxResponseSpill,
      write: (chunk) => exchange.write(chunk),
      isTight: () => !exchange.hasRoom,
      end: () => this.#endBody(),
      accept: (bytes) => {
        this.#unaccepted -= bytes;
        if (this.#unaccepted <= MAX_UNACCEPTED_BYTES) this.#resume();
      },
      fail: (error) => this.failStore(error),
    });
  }

  #pause(): void {
    if (this.#isPaused || this.#hasOutputEnded) return;
    this.#isPaused = true;
    this.#program?.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#timer?.refresh();
    this.#program?.resume();
  }

  /** All bytes of the response have come; they may still wait for the client. */
  #finishResponse(state: "whole" | "done"): void {
    this.#response = state;
    this.#leaveProgram();
    if (this.#spool === null) this.#endBody();
    else this.#spool.end();
  }

  #endBody(): void {
    this.exchange.listener = null;
    this.#spool = null;
    this.exchange.end();
  }

  /** The client gets nothing of the program any more: what it still writes is read and dropped. */
  #endResponse(): void {
    this.exchange.listener = null;
    this.#response = "done";
    this.#spool?.destroy();
    this.#spool = null;
    this.#leaveProgram();
  }

  /** What the program does behind its response has the deadline of a response. */
  #leaveProgram(): void {
    this.#respondedAt ||= performance.now();
    this.#resume();
    if (this.#run === "running" && !this.#wasEnded) this.#arm(this.#options.timeoutMs);
  }

  #refuseResponse(text: string): void {
    this.#tell(text);
    this.#endProgram("end");
    this.fail(ERRORS.RESPONSE_INVALID);
  }

  /** Nobody waits for the response any more. */
  #abandon(): void {
    this.#isAbandoned = true;
    this.#leave();
    this.#endResponse();
    this.#endProgram("end");
  }

  /** A program that does not run yet is not begun. */
  #leave(): void {
    if (this.#run !== "receiving" && this.#run !== "waiting") return;
    this.context.queue.leave(this);
    this.#run = "over";
    this.#releaseBody();
  }

  #endProgram(how: "end" | "kill"): void {
    if (this.#run !== "running") return;
    this.#wasEnded = true;
    this.#hasOutputEnded = true;
    if (how === "end") this.#program?.end();
    else this.#program?.kill();
    this.#arm(0);
  }

  #finishRun(): void {
    this.#run = "over";
    this.#arm(0);
    this.#releaseBody();
    this.context.queue.release();
  }

  #releaseBody(): void {
    this.#input = NO_INPUT;
    this.#body?.release();
  }

  /** 0: no deadline. */
  #arm(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = ms === 0 ? null : setTimeout(() => this.#onLate(), ms);
  }

  #onLate(): void {
    const { timeoutMs } = this.#options;
    if (this.#isPaused) this.#timer?.refresh();
    else if (this.#response === "head" || this.#response === "untyped")
      this.#overdue(`the program has not responded within ${timeoutMs / 1000} s (--timeout)`);
    else if (this.#response === "body")
      this.#overdue(
        `the program has sent nothing of its response for ${timeoutMs / 1000} s (--timeout)`,
      );
    else {
      const late = `${timeoutMs / 1000} s (--timeout)`;
      this.#tell(`the program went on for ${late} after its response and was killed`);
      this.#endProgram("kill");
    }
  }

  #overdue(text: string): void {
    this.#tell(text);
    this.#endProgram("kill");
    this.fail(ERRORS.DEADLINE);
  }

  #tellSurplus(): void {
    this.#response = "done";
    this.#tell("the program has sent more bytes than its Content-Length says");
  }

  #tellEnd({ code, signal, failure }: ProgramEnd): void {
    const texts = this.#fault === "" ? [] : [this.#fault];
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    if (!this.#wasEnded && failure !== "") texts.push(`the program failed: ${failure}`);
    else if (!this.#wasEnded && code !== 0) texts.push(`the program ended with ${how}`);
    if (texts.length > 0) this.#tell(texts.join("; "));
  }

  /** The log has what the program said before. */
  #tell(text: string): void {
    this.#errorText?.flush();
    this.context.onFault(this.exchange, this.#found.file, text);
  }
}

/** Why a program that has failed has given no response. `pid`: 0 = it was not started. */
function failureError({ isForNow }: ProgramEnd, pid: number): HttpError {
  if (pid !== 0) return ERRORS.WORKER_DIED;
  return isForNow === true ? ERRORS.NO_WORKERS : ERRORS.APPLICATION_ERROR;
}
