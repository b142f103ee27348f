// One client's socket: turns its bytes into exchanges, one at a time and in order, and decides how the
// connection ends. Parsing is HeadParser's and ChunkedDecoder's, framing of answers Http1Exchange's.
//
//            ┌────────────── answered, may persist ───────────────┐
//            ▼                                                     │
//   new ─▶ idle ─bytes─▶ head ─whole─▶ body ─whole─▶ busy ─answer─▶ flushing
//            │             │             │             │           │
//            └─ timeout ───┴── refused, timeout, FIN ──┴── close ──┴──▶ lingering ──▶ closed
//
// body: the request is on its way in, whether or not its handler takes it. busy: whole, not yet
// answered; what comes now is read ahead, bounded. flushing: answered, the client has not taken enough
// of it for a next one. lingering: our last byte is sent, the client's are read and dropped for a while,
// because closing with unread input makes the kernel send RST, which can destroy the answer on its way.

import type { Socket } from "node:net";

import { ERRORS, RequestFault, type HttpError } from "../http/error.ts";
import type { BodyReceiver } from "../http/exchange.ts";
import type { RequestHead } from "../http/message.ts";
import { peersOf, type Peers } from "../net/address.ts";
import { BodyIntake } from "./body-intake.ts";
import { errorAnswer, SERVER_OPTIONS } from "./error-answer.ts";
import { Http1Exchange, type Line } from "./exchange.ts";
import type { HeadParser } from "./head-parser.ts";
import { HeadReader } from "./head-reader.ts";
import {
  DRAIN_NEW_MS,
  HEAD_TIMEOUT_MS,
  LINGER_BYTES,
  LINGER_MS,
  READ_AHEAD_BYTES,
} from "./limits.ts";
import { Output } from "./output.ts";
import { CLOSE, CONTINUE, headText } from "./serializer.ts";

/** What all connections of one listener share. */
export interface ConnectionContext {
  readonly parser: HeadParser;
  readonly maxBodyBytes: number;
  readonly keepAliveMs: number;
  /** Time of the last tick, ms. */
  readonly now: number;
  readonly isDraining: boolean;
  readonly onExchange: (exchange: Http1Exchange) => void;
  readonly onFinish: (exchange: Http1Exchange) => void;
  readonly onRefused: (error: HttpError, remoteAddress: string) => void;
  /** The connection will take no further request and has no descriptor soon. */
  readonly onClosed: (connection: Http1Connection) => void;
}

type ConnectionState = "idle" | "head" | "body" | "busy" | "flushing" | "lingering" | "closed";

export class Http1Connection implements Line {
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #output: Output;
  readonly #heads: HeadReader;
  #state: ConnectionState = "idle";
  /** When the state was entered, where that has a deadline. */
  #since: number;
  #exchange: Http1Exchange | null = null;
  #body: BodyIntake | null = null;
  /** Bytes that have come too early. */
  #ahead: Buffer | null = null;
  #peers: Peers | null = null;
  #isNew = true;
  #isPersistent = false;
  #awaitsContinue = false;
  #isPaused = false;
  /** Whether the client has ended its sending side. */
  #hasEnded = false;
  /** Whether the loop over incoming bytes is on the stack: it goes on by itself. */
  #isReading = false;
  /** Bytes of the chunk being read that come after its last head. */
  #rest = 0;
  #lingeringBytes = 0;

  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#output = new Output(socket);
    this.#heads = new HeadReader(context.parser);
    this.#since = context.now;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.#onEnd());
    socket.on("drain", () => this.#onDrain());
    socket.on("close", () => this.#onClose());
    // "close" follows each error, and says all that matters: the client is gone.
    socket.on("error", ignore);
  }

  /** Since when the connection has been idle; Infinity if it is not. */
  get idleSince(): number {
    return this.#state === "idle" ? this.#since : Infinity;
  }

  get peers(): Peers {
    return (this.#peers ??= peersOf(this.#socket));
  }

  get isFull(): boolean {
    return this.#output.isFull;
  }

  /** Whether a request may follow: not if the body that nobody reads stands in its way. */
  mayPersist(): boolean {
    if (!this.#isPersistent || this.#context.isDraining) return false;
    return this.#state !== "body" || (this.#body !== null && this.#body.receiver !== null);
  }

  receiveBody(receiver: BodyReceiver): void {
    const body = this.#body;
    if (body === null || body.receiver !== null) return;
    body.receiver = receiver;
    body.restartWindow(this.#context.now);
    // Bytes of the body are the client's word that it waits no longer. RFC 9110 §10.1.1.
    if (this.#awaitsContinue && this.#rest === 0 && this.#ahead === null)
      this.#socket.write(CONTINUE, "latin1");
    if (!this.#isReading) this.#readAhead();
  }

  pauseBody(): void {
    if (this.#body === null) return;
    this.#body.isPaused = true;
    this.#pause();
  }

  resumeBody(): void {
    if (this.#body === null || !this.#body.isPaused) return;
    this.#body.isPaused = false;
    this.#body.restartWindow(this.#context.now);
    this.#resume();
  }

  send(text: string, bytes: Buffer, tail: string): void {
    this.#output.send(text, bytes, tail);
  }

  finish(mustClose: boolean): void {
    this.#endExchange();
    if (mustClose || this.#state === "body" || this.#context.isDraining) {
      this.close();
      return;
    }
    if (this.#output.isFull) this.#state = "flushing";
    else this.#next();
  }

  cut(mustReset: boolean): void {
    this.#state = "closed";
    this.#endExchange();
    if (mustReset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    this.#context.onClosed(this);
  }

  /** Ends the connection behind what has been sent; what the client still sends is dropped. */
  close(): void {
    if (this.#state === "lingering" || this.#state === "closed") return;
    this.#state = "lingering";
    this.#since = 0;
    this.#ahead = null;
    this.#body = null;
    this.#resume();
    this.#endSocket();
  }

  /** The server stops: goes if nothing runs; one that has just come may still bring its request. */
  drain(): void {
    if (this.#state === "idle" && !this.#isNew) this.close();
  }

  /** Answers an error without having read a request, and ends the connection. */
  refuse(error: HttpError): void {
    const exchange = this.#exchange;
    if (exchange !== null) {
      exchange.refuse(error);
      return;
    }
    this.#context.onRefused(error, this.peers.remoteAddress);
    const { head, body } = errorAnswer(error);
    this.#output.send(headText(head, "", body.length, CLOSE), body, "");
    this.close();
  }

  /** Ends the connection at once; a running exchange is told. */
  destroy(): void {
    this.#socket.destroy();
    this.#onClose();
  }

  /** Looks at the deadlines. */
  tick(now: number): void {
    if (this.#output.isStalled(now)) {
      this.destroy();
      return;
    }
    const waited = now - this.#since;
    if (this.#state === "idle") {
      if (waited >= this.#idleLimit()) this.close();
    } else if (this.#state === "head") {
      if (waited >= HEAD_TIMEOUT_MS) this.refuse(ERRORS.HEAD_TIMEOUT);
    } else if (this.#state === "body") {
      if (this.#body?.isTooSlow(now) === true) this.refuse(ERRORS.BODY_TIMEOUT);
    } else if (this.#state === "lingering" && this.#output.isEmpty) {
      if (this.#since === 0) this.#since = now;
      else if (waited >= LINGER_MS) this.destroy();
    }
  }

  #idleLimit(): number {
    if (!this.#isNew) return this.#context.keepAliveMs;
    return this.#context.isDraining ? DRAIN_NEW_MS : HEAD_TIMEOUT_MS;
  }

  #onData(chunk: Buffer): void {
    if (this.#state === "busy" || this.#state === "flushing") this.#keepAhead(chunk);
    else if (this.#state === "lingering") {
      this.#lingeringBytes += chunk.length;
      if (this.#lingeringBytes > LINGER_BYTES) this.destroy();
    } else if (this.#ahead === null) this.#read(chunk);
    else this.#keepAhead(chunk);
  }

  // A loop, not a recursion: a handler that answers at once makes the next request of the same chunk
  // begin, as often as a client likes to pipeline.
  #read(chunk: Buffer): void {
    this.#isReading = true;
    try {
      let at = 0;
      while (at < chunk.length) {
        if (this.#state === "idle" || this.#state === "head") at = this.#readHead(chunk, at);
        else if (this.#state === "body" && this.#body !== null)
          at = this.#readBody(this.#body, chunk, at);
        else {
          if (this.#state === "busy" || this.#state === "flushing")
            this.#keepAhead(chunk.subarray(at));
          break;
        }
      }
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      this.refuse(error.error);
    } finally {
      this.#isReading = false;
    }
    if (this.#hasEnded) this.#checkEnd();
  }

  /** Reads a head, or a part of one; returns the index after it. */
  #readHead(chunk: Buffer, start: number): number {
    const heads = this.#heads;
    const head = heads.read(chunk, start);
    if (head !== null) {
      const { end } = heads;
      this.#rest = chunk.length - end;
      this.#begin(head);
      return end;
    }
    if (this.#state === "idle" && heads.hasBegun) {
      this.#state = "head";
      // A new connection has had its time since it came.
      if (!this.#isNew) this.#since = this.#context.now;
    }
    return chunk.length;
  }

  #begin(head: RequestHead): void {
    const { parser, maxBodyBytes } = this.#context;
    this.#isNew = false;
    this.#isPersistent = parser.isPersistent;
    this.#awaitsContinue = parser.awaitsContinue;
    if (head.bodyLength === 0) this.#state = "busy";
    else {
      this.#body = new BodyIntake(head.bodyLength, maxBodyBytes);
      this.#state = "body";
    }
    const exchange = new Http1Exchange(this, head, performance.now());
    this.#exchange = exchange;
    if (head.path === "*") exchange.respond(SERVER_OPTIONS.head, SERVER_OPTIONS.body);
    else if (head.method === "TRACE") exchange.fail(ERRORS.METHOD_TRACE);
    else this.#context.onExchange(exchange);
  }

  #readBody(body: BodyIntake, chunk: Buffer, start: number): number {
    const { receiver } = body;
    const exchange = this.#exchange;
    if (receiver === null || exchange === null) {
      this.#keepAhead(chunk.subarray(start));
      return chunk.length;
    }
    const bytes = body.take(chunk, start);
    const { end } = body;
    exchange.bytesReceived += bytes.length;
    if (bytes.length > 0) receiver.onBody(bytes);
    // The receiver may have answered already.
    if (body.isWhole && this.#body === body) {
      this.#body = null;
      this.#state = "busy";
      this.#resume();
      receiver.onBodyEnd();
    }
    return end;
  }

  #keepAhead(bytes: Buffer): void {
    this.#ahead = this.#ahead === null ? bytes : Buffer.concat([this.#ahead, bytes]);
    if (this.#ahead.length >= READ_AHEAD_BYTES) this.#pause();
  }

  #readAhead(): void {
    const ahead = this.#ahead;
    this.#ahead = null;
    if (ahead !== null) this.#read(ahead);
    else if (this.#hasEnded) this.#checkEnd();
    // What was read may have filled it again.
    if (this.#ahead === null && this.#body?.isPaused !== true) this.#resume();
  }

  #next(): void {
    this.#state = "idle";
    this.#since = this.#context.now;
    if (!this.#isReading && (this.#ahead !== null || this.#hasEnded)) this.#readAhead();
  }

  #endExchange(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) this.#context.onFinish(exchange);
  }

  #onEnd(): void {
    this.#hasEnded = true;
    this.#checkEnd();
  }

  // The client will send no more. What it had sent whole is still answered (DESIGN: when has a client
  // left?).
  #checkEnd(): void {
    if (this.#state === "busy" && this.#isPersistent) this.#exchange?.listener?.onGone("end");
    if (this.#ahead !== null) return;
    if (this.#state === "idle" || this.#state === "head") this.close();
    else if (this.#state === "body" && this.#body !== null && this.#body.receiver !== null)
      this.refuse(ERRORS.BODY_INCOMPLETE);
  }

  #onDrain(): void {
    this.#output.drain();
    if (this.#output.isFull) return;
    if (this.#state === "flushing") this.#next();
    else if (this.#state === "lingering") this.#endSocket();
    else this.#exchange?.listener?.onDrain();
  }

  #onClose(): void {
    this.#state = "closed";
    const exchange = this.#exchange;
    if (exchange !== null) {
      exchange.lose();
      this.#endExchange();
    }
    this.#context.onClosed(this);
  }

  #endSocket(): void {
    if (!this.#output.isFull) this.#socket.end();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }
}

function ignore(): void {
  // See the listener's place.
}
