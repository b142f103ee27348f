// One client's connection: turns the socket's bytes into exchanges, one at a time and in order, frames their
// responses (RFC 9112), and decides how the connection ends. HeadReader and RequestBodyReader parse heads and
// bodies; Output writes responses.

import type { Socket } from "node:net";

import type { Arrival } from "../http/engine.ts";
import { ERRORS, errorResponse, RequestFault, type HttpError } from "../http/error.ts";
import {
  Exchange,
  type BodyKind,
  type BodyReceiver,
  type ConnectionFacts,
  type ResponseWriter,
} from "../http/exchange.ts";
import type { FieldSection } from "../http/field-section.ts";
import { hasMember } from "../http/grammar.ts";
import type { RequestHead, ResponseHead } from "../http/message.ts";
import { peersOf } from "../net/address.ts";
import { HEAD_TIMEOUT_MS, SMALL_HEAD_BYTES } from "../net/connection-limits.ts";
import type { ListedConnection } from "../net/connection-list.ts";
import type { ConnectionMemory, MemoryKind } from "../net/connection-memory.ts";
import { cutConnection } from "../net/cut.ts";
import { LingeringClose } from "../net/lingering-close.ts";
import type { Holder, MemoryBudget } from "../net/memory-budget.ts";
import type { HeadParser } from "./head-parser.ts";
import { HeadReader } from "./head-reader.ts";
import { Output } from "./output.ts";
import { ReadAhead } from "./read-ahead.ts";
import { RequestBodyReader } from "./request-body.ts";
import {
  chunkLine,
  CHUNKED,
  CLOSE,
  CONTINUE,
  earlyHintText,
  headText,
  KEEP_ALIVE,
  lastChunkText,
} from "./serializer.ts";
import { UpgradedSocket } from "./upgraded-socket.ts";

/** What all connections of an engine share: the parser, limits, memory, the time, and the engine's callbacks. */
export interface ConnectionContext {
  readonly parser: HeadParser;
  readonly memory: ConnectionMemory;
  readonly maxBodyBytes: number;
  /** How long a body may bring no byte; 0 = without limit. */
  readonly bodyTimeoutMs: number;
  /** Strict-Transport-Security of responses over TLS; "" = none. */
  readonly hsts: string;
  /** How long an idle connection stays open. `isNew`: no request has come on it yet. */
  readonly idleLimitMs: (isNew: boolean) => number;
  /** Time of the last tick, ms. */
  readonly now: number;
  readonly isDraining: boolean;
  readonly onExchange: (exchange: Exchange) => void;
  readonly onFinish: (exchange: Exchange) => void;
  readonly onRefused: (error: HttpError, remoteAddress: string) => void;
  /** The connection will take no further request, and its descriptor is freed soon. */
  readonly onClosed: (connection: Http1Connection) => void;
}

// From the connection's first byte to its last:
//
//            ┌───────── responded to, may persist ─────────────────┐
//            ▼                                                     │
//   new ─▶ idle ─bytes─▶ head ─whole─▶ body ─whole─▶ busy ─response─▶ flushing
//            │             │             │             │           │
//            └─ timeout ───┴── refused, timeout, FIN ──┼── close ──┴──▶ lingering ──▶ closed
//                                                      └── 101 ──▶ upgraded ────────────▲
//
// body: the request's body is arriving, whether or not the handler reads it. busy: the request is complete and
// has no response yet; bytes that arrive now are read ahead, up to a limit. flushing: the response is complete,
// but too much of it still waits for the client. lingering: our last byte is sent; the client's bytes are
// dropped for a while. upgraded: the socket belongs to another protocol; the connection only listens to its
// end.
type ConnectionState =
  | "idle"
  | "head"
  | "body"
  | "busy"
  | "flushing"
  | "lingering"
  | "upgraded"
  | "closed";

const EMPTY = Buffer.alloc(0);

export class Http1Connection implements ResponseWriter, ListedConnection {
  index = -1;
  readonly #socket: Socket;
  readonly #arrival: Arrival;
  readonly #context: ConnectionContext;
  readonly #output: Output;
  readonly #ahead: ReadAhead;
  readonly #heads: HeadReader;
  #facts: ConnectionFacts | null = null;
  #state: ConnectionState = "idle";
  /** When the current state was entered, if the state has a deadline. */
  #since: number;
  #isNew = true;
  /** Whether the client has ended its sending side. */
  #hasEnded = false;
  /** Whether `#read` is running: it must not be called inside itself. */
  #isReading = false;
  /** Bytes of the chunk being read that come after its last head. */
  #rest = 0;

  // Of the request and its response.
  #exchange: Exchange | null = null;
  #body: RequestBodyReader | null = null;
  /** Memory of the request's head, if it is large. */
  #headBytes = 0;
  /** Whether another request may come on the connection, as the request says. RFC 9112 §9.3. */
  #isPersistent = false;
  #awaitsContinue = false;
  /** How the client finds the end of the response. */
  #framing: "length" | "chunked" | "close" = "length";
  /** Whether the connection is closed after the response. */
  #closes = false;
  #lingering: LingeringClose | null = null;

  constructor(socket: Socket, arrival: Arrival, context: ConnectionContext) {
    this.#socket = socket;
    this.#arrival = arrival;
    this.#context = context;
    this.#output = new Output(socket, context.memory.output);
    this.#ahead = new ReadAhead(socket);
    this.#heads = new HeadReader(context.parser, arrival.scheme);
    this.#since = context.now;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("drain", this.#onDrain);
    socket.on("close", () => this.#onClose());
    // "close" follows each error, and is enough: the client is gone.
    socket.on("error", () => undefined);
  }

  /** Time since when the connection is idle; Infinity while busy, or if accepted since the last tick. */
  get idleSince(): number {
    if (this.#isNew && this.#since === this.#context.now) return Infinity;
    return this.#state === "idle" ? this.#since : Infinity;
  }

  get isFull(): boolean {
    return this.#output.isFull;
  }

  get hasRoom(): boolean {
    return !this.#context.memory.output.isHalfUsed;
  }

  sendEarlyHints(fields: FieldSection): void {
    // HTTP/1.0 has no interim responses. RFC 9110 §15.2.
    if (!this.#isHttp10) this.#output.send(earlyHintText(fields));
  }

  sendResponse(head: ResponseHead, requestId: string, body: Buffer, length: number): void {
    const text = headText(head, requestId, length, this.#connectionLine(head), this.#hsts);
    this.#output.send(text, body);
    this.#finish();
  }

  sendHead(head: ResponseHead, requestId: string, body: BodyKind): void {
    if (body !== "unknown") this.#framing = "length";
    else this.#framing = this.#isHttp10 ? "close" : "chunked";
    const coding = this.#framing === "chunked" ? CHUNKED : "";
    const lines = coding + this.#connectionLine(head);
    const text = headText(head, requestId, -1, lines, this.#hsts);
    this.#output.append(text, EMPTY, "");
  }

  sendBody(chunk: Buffer): boolean {
    if (this.#framing !== "chunked") this.#output.append("", chunk, "");
    else this.#output.append(chunkLine(chunk.length), chunk, "\r\n");
    return !this.#output.isFull;
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#framing === "chunked") this.#output.append(lastChunkText(trailers), EMPTY, "");
    this.#output.flush();
    this.#finish();
  }

  reset(): void {
    this.#output.flush();
    this.#state = "closed";
    this.#endExchange();
    this.#release();
    // Without a reset the end of the connection would mark the response as complete.
    if (this.#framing === "close") cutConnection(this.#socket);
    else this.#socket.destroy();
    this.#context.onClosed(this);
  }

  upgrade(protocol: string, head: ResponseHead, requestId: string): UpgradedSocket {
    const lines = `Upgrade: ${protocol}\r\nConnection: Upgrade\r\n`;
    this.#output.send(headText(head, requestId, -1, lines, this.#hsts));
    return this.#detachSocket();
  }

  receiveBody(receiver: BodyReceiver): void {
    if (this.#body === null || this.#body.receiver !== null) return;
    this.#body.begin(receiver, this.#context.now);
    this.#ahead.expectLargeBody(this.#body.readsWide);
    // A client that has sent bytes of the body does not wait (RFC 9110 §10.1.1). After the head of the
    // response, 100 Continue would become a part of the response.
    const isAwaited = this.#awaitsContinue && this.#exchange?.isResponding === false;
    if (isAwaited && this.#rest === 0 && this.#ahead.isEmpty) this.#output.send(CONTINUE);
    if (!this.#isReading) this.#readAhead();
  }

  pauseBody(): void {
    if (this.#body?.pause() === true) this.#ahead.pause();
  }

  resumeBody(): void {
    const body = this.#body;
    if (body?.resume(this.#context.now) !== true) return;
    this.#ahead.expectLargeBody(body.readsWide);
    this.#ahead.resume();
  }

  /** Closes the connection after the bytes that were sent; bytes that the client still sends are dropped. */
  close(): void {
    if (this.#state === "lingering" || this.#state === "closed") return;
    this.#state = "lingering";
    this.#dropInput();
    this.#ahead.resume();
    this.#lingering = new LingeringClose(this.#socket);
    this.#endSocket();
  }

  /** The server stops: an idle connection is closed, a new one may still send its first request. */
  drain(): void {
    if (this.#state === "idle" && !this.#isNew) this.close();
  }

  /** Responds with an error instead of reading a request, or the rest of one, and closes the connection. */
  refuse(error: HttpError): void {
    if (this.#exchange !== null) {
      this.#closes = true;
      this.#exchange.refuse(error);
      return;
    }
    this.#context.onRefused(error, this.#connectionFacts().remoteAddress);
    const [head, body] = errorResponse(error);
    this.#output.send(headText(head, "", body.length, CLOSE, this.#hsts), body);
    this.close();
  }

  /** Ends the connection at once; the handler of a running exchange is told. */
  destroy(): void {
    this.#socket.destroy();
    this.#onClose();
  }

  /** What the connection holds of a kind of memory while it waits for its client. */
  sheddable(kind: MemoryKind): Holder {
    const state = this.#state;
    const output = this.#output;
    if (kind === "output") return { since: output.waitsSince, bytes: output.memoryBytes };
    const isClientAwaited = state === "body" || (this.#exchange !== null && output.isFull);
    if (kind === "heads")
      return { since: this.#since, bytes: isClientAwaited ? this.#headBytes : 0 };
    const ofBody = this.#body === null ? 0 : this.#body.memoryBytes;
    return {
      since: this.#since,
      bytes: this.#heads.memoryBytes + this.#ahead.memoryBytes + ofBody,
    };
  }

  /** Gives up memory of a kind: refuses the request that is incomplete, or cuts a client that does not read. */
  shed(kind: MemoryKind): void {
    if (kind === "output" || (kind === "heads" && this.#output.isFull)) this.destroy();
    else if (this.#state === "head") this.refuse(ERRORS.NO_HEAD_MEMORY);
    else if (this.#state === "body") this.refuse(ERRORS.NO_INPUT_MEMORY);
    else if (this.#state === "flushing") this.close();
    else {
      // The next requests come again on another connection; the current one still gets its response.
      this.#closes = true;
      this.#ahead.drop();
      this.#ahead.pause();
    }
  }

  /** Enforces the deadlines. */
  tick(now: number): void {
    if (this.#state === "upgraded") return;
    const waited = now - this.#since;
    if (this.#output.isStalled(now)) this.destroy();
    else if (this.#state === "idle" && waited >= this.#context.idleLimitMs(this.#isNew))
      this.close();
    else if (this.#state === "head" && waited >= HEAD_TIMEOUT_MS) this.refuse(ERRORS.HEAD_TIMEOUT);
    else if (this.#body?.isTooSlow(now) === true) this.refuse(ERRORS.BODY_TIMEOUT);
  }

  get #hsts(): string {
    return this.#arrival.scheme === "https" ? this.#context.hsts : "";
  }

  get #isHttp10(): boolean {
    return this.#exchange?.head.version === "1.0";
  }

  #connectionFacts(): ConnectionFacts {
    const { scheme, tls, peers } = this.#arrival;
    return (this.#facts ??= { scheme, tls, ...(peers ?? peersOf(this.#socket)) });
  }

  /** Returns the line of a response's Connection field, and decides whether the connection is closed after it. */
  #connectionLine(head: ResponseHead): string {
    this.#closes ||= this.#framing === "close" || !this.#mayPersist();
    // First the cheap test, because the field is almost always missing.
    this.#closes ||= head.connection !== "" && hasMember(head.connection, "close");
    if (this.#closes) return CLOSE;
    return this.#isHttp10 ? KEEP_ALIVE : "";
  }

  /** Whether a further request may follow on the connection. */
  #mayPersist(): boolean {
    if (!this.#isPersistent || this.#context.isDraining) return false;
    // A proxy that ignores the response may take the client's next bytes for frames of the other protocol and
    // pass them on: they must never be read as a request.
    if (this.#exchange?.head.protocol !== "") return false;
    // A body that no handler reads lies before the next request.
    return this.#state !== "body" || (this.#body !== null && this.#body.receiver !== null);
  }

  #finish(): void {
    this.#endExchange();
    if (this.#closes || this.#state === "body") this.close();
    else if (this.#output.isFull) this.#state = "flushing";
    else this.#next();
  }

  /** Gives the socket to another protocol, which must listen to it in this turn of the event loop. */
  #detachSocket(): UpgradedSocket {
    this.#state = "upgraded";
    this.#socket.off("data", this.#onData).off("end", this.#onEnd).off("drain", this.#onDrain);
    this.#ahead.resume();
    this.#output.release();
    return new UpgradedSocket(this.#socket, this.#ahead.take());
  }

  readonly #onData = (chunk: Buffer): void => {
    const isBusy = this.#state === "busy" || this.#state === "flushing";
    if (isBusy || !this.#ahead.isEmpty) this.#keep(chunk);
    else if (this.#lingering === null) this.#read(chunk);
    else this.#lingering.drop(chunk.length);
  };

  // A loop, not a recursion: a client may pipeline many requests in one chunk, and handlers may respond at
  // once.
  #read(chunk: Buffer): void {
    this.#isReading = true;
    try {
      let at = 0;
      while (at < chunk.length) at = this.#readPart(chunk, at);
    } catch (error) {
      if (!(error instanceof RequestFault)) {
        // A fault of ours ends the connection, which nobody else would.
        this.destroy();
        throw error;
      }
      this.refuse(error.error);
    } finally {
      this.#isReading = false;
    }
    if (this.#hasEnded) this.#checkEnd();
  }

  #keep(bytes: Buffer): void {
    this.#ahead.keep(bytes, this.#context.memory.input);
  }

  /** Reads a head, or bytes of one body; returns the index after them. */
  #readPart(chunk: Buffer, start: number): number {
    if (this.#state === "idle" || this.#state === "head") return this.#readHead(chunk, start);
    if (this.#state === "body" && this.#body !== null)
      return this.#readBody(this.#body, chunk, start);
    if (this.#state === "busy" || this.#state === "flushing") this.#keep(chunk.subarray(start));
    else if (this.#state === "upgraded") this.#socket.emit("data", chunk.subarray(start));
    return chunk.length;
  }

  /** Reads a head, or a part of one; returns the index after it. */
  #readHead(chunk: Buffer, start: number): number {
    const heads = this.#heads;
    const head = heads.read(chunk, start, this.#context.memory.input);
    if (head !== null) {
      const { end } = heads;
      this.#rest = chunk.length - end;
      this.#begin(head);
      return end;
    }
    if (this.#state === "idle" && heads.hasBegun) {
      this.#state = "head";
      // The time of the first head begins when the connection is accepted.
      if (!this.#isNew) this.#since = this.#context.now;
    }
    return chunk.length;
  }

  #begin(head: RequestHead): void {
    const { parser, maxBodyBytes, bodyTimeoutMs, memory } = this.#context;
    this.#isNew = false;
    this.#since = this.#context.now;
    if (this.#heads.textBytes > SMALL_HEAD_BYTES) this.#countHead(memory.heads);
    this.#isPersistent = parser.isPersistent;
    this.#awaitsContinue = parser.awaitsContinue;
    this.#body =
      head.bodyLength === 0
        ? null
        : new RequestBodyReader(head.bodyLength, maxBodyBytes, bodyTimeoutMs, memory.input);
    this.#state = this.#body === null ? "busy" : "body";
    const exchange = new Exchange(head, this.#connectionFacts(), this);
    this.#exchange = exchange;
    if (!exchange.respondAsServer()) this.#context.onExchange(exchange);
  }

  // Values are cut from the head's text, and the application's process gets a copy (`names`, `values` of a job).
  #countHead(budget: MemoryBudget): void {
    if (!budget.hasRoom) throw new RequestFault(ERRORS.NO_HEAD_MEMORY);
    this.#headBytes = 2 * this.#heads.textBytes;
    budget.take(this.#headBytes);
  }

  #readBody(body: RequestBodyReader, chunk: Buffer, start: number): number {
    const { receiver } = body;
    const exchange = this.#exchange;
    if (receiver === null || exchange === null) {
      this.#keep(chunk.subarray(start));
      return chunk.length;
    }
    const bytes = body.take(chunk, start);
    const { end } = body;
    exchange.bytesReceived += bytes.length;
    if (bytes.length > 0) receiver.onBody(bytes);
    // The receiver may have responded, which closes the connection.
    if (body.isWhole && this.#body === body) {
      this.#body = null;
      this.#state = "busy";
      this.#ahead.expectLargeBody(false);
      this.#ahead.resume();
      receiver.onBodyEnd();
    }
    return end;
  }

  #readAhead(): void {
    if (!this.#ahead.feed((bytes) => this.#read(bytes)) && this.#hasEnded) this.#checkEnd();
    // `feed` may have kept unused bytes again.
    if (this.#ahead.isEmpty && this.#body?.isPaused !== true) this.#ahead.resume();
  }

  #next(): void {
    if (this.#context.isDraining) {
      this.close();
      return;
    }
    this.#state = "idle";
    this.#since = this.#context.now;
    if (!this.#isReading && (!this.#ahead.isEmpty || this.#hasEnded)) this.#readAhead();
  }

  #endExchange(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (this.#headBytes > 0) {
      this.#context.memory.heads.give(this.#headBytes);
      this.#headBytes = 0;
    }
    if (exchange !== null) this.#context.onFinish(exchange);
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#checkEnd();
  };

  // The client has closed its sending side. A complete request still gets its response: with Connection: close
  // a client may close its side at once (docs/behavior.md).
  #checkEnd(): void {
    if (this.#state === "busy" && this.#isPersistent) this.#exchange?.listener?.onGone("end");
    if (!this.#ahead.isEmpty) return;
    if (this.#state === "idle" || this.#state === "head") this.close();
    else if (this.#state === "body" && this.#body !== null && this.#body.receiver !== null)
      this.refuse(ERRORS.BODY_INCOMPLETE);
  }

  readonly #onDrain = (): void => {
    this.#output.drain();
    if (this.#output.isFull) return;
    if (this.#state === "flushing") this.#next();
    else if (this.#lingering === null) this.#exchange?.drain();
    else this.#endSocket();
  };

  #dropInput(): void {
    this.#heads.drop();
    this.#body?.drop();
    this.#body = null;
    this.#ahead.drop();
  }

  /** Gives back all memory: the socket is closed. */
  #release(): void {
    this.#dropInput();
    this.#output.release();
  }

  /** Closes our side when all waiting bytes have been given to the socket. */
  #endSocket(): void {
    this.#output.flush();
    if (!this.#output.isFull) this.#socket.end();
  }

  #onClose(): void {
    this.#state = "closed";
    this.#exchange?.lose();
    this.#endExchange();
    this.#release();
    this.#context.onClosed(this);
  }
}
