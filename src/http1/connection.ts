// One client's socket: turns its bytes into exchanges, one at a time and in order, and decides how the
// connection ends (connection-state.ts draws the states). HeadParser and ChunkedDecoder parse.

import type { Socket } from "node:net";

import { ERRORS, RequestFault, type HttpError } from "../http/error.ts";
import type { BodyReceiver } from "../http/exchange.ts";
import type { RequestHead } from "../http/message.ts";
import { peersOf, type Peers } from "../net/address.ts";
import { BodyIntake } from "./body-intake.ts";
import type { ConnectionContext } from "./connection-context.ts";
import type { ConnectionState } from "./connection-state.ts";
import { answerItself, errorAnswer } from "./own-answers.ts";
import { Http1Exchange, type Line } from "./exchange.ts";
import { HandedSocket } from "./handed-socket.ts";
import { HeadReader } from "./head-reader.ts";
import { HEAD_TIMEOUT_MS } from "./limits.ts";
import { Lingering } from "./lingering.ts";
import { Output } from "./output.ts";
import { ReadAhead } from "./read-ahead.ts";
import { CLOSE, CONTINUE, headText } from "./serializer.ts";

export class Http1Connection implements Line {
  readonly #socket: Socket;
  readonly #context: ConnectionContext<Http1Connection>;
  readonly output: Output;
  /** Its place among all connections; -1: it is none of them. */
  place = -1;
  readonly #ahead: ReadAhead;
  readonly #heads: HeadReader;
  #state: ConnectionState = "idle";
  /** When the state was entered, where that has a deadline. */
  #since: number;
  #exchange: Http1Exchange | null = null;
  #body: BodyIntake | null = null;
  #peers: Peers | null = null;
  #isNew = true;
  #isPersistent = false;
  #awaitsContinue = false;
  /** Whether the client has ended its sending side. */
  #hasEnded = false;
  /** Whether the loop over incoming bytes is on the stack: it goes on by itself. */
  #isReading = false;
  /** Bytes of the chunk being read that come after its last head. */
  #rest = 0;
  #lingering: Lingering | null = null;

  constructor(socket: Socket, context: ConnectionContext<Http1Connection>) {
    this.#socket = socket;
    this.#context = context;
    this.output = new Output(socket);
    this.#ahead = new ReadAhead(socket);
    this.#heads = new HeadReader(context.parser);
    this.#since = context.now;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("drain", this.#onDrain);
    socket.on("close", () => this.#onClose());
    // "close" follows each error, and says all that matters: the client is gone.
    socket.on("error", () => undefined);
  }

  /** Since when the connection has been idle; Infinity if it is not, or has come since the last tick. */
  get idleSince(): number {
    if (this.#isNew && this.#since === this.#context.now) return Infinity;
    return this.#state === "idle" ? this.#since : Infinity;
  }

  get peers(): Peers {
    return (this.#peers ??= peersOf(this.#socket));
  }

  /** Whether a request may follow: not if the body that nobody reads stands in its way. */
  mayPersist(): boolean {
    if (!this.#isPersistent || this.#context.isDraining) return false;
    return this.#state !== "body" || (this.#body !== null && this.#body.receiver !== null);
  }

  receiveBody(receiver: BodyReceiver): void {
    if (this.#body === null || this.#body.receiver !== null) return;
    this.#body.begin(receiver, this.#context.now);
    if (this.#body.isLarge) this.#ahead.expectMuch(true);
    // Bytes of the body are the client's word that it waits no longer. RFC 9110 §10.1.1.
    if (this.#awaitsContinue && this.#rest === 0 && this.#ahead.isEmpty)
      this.#socket.write(CONTINUE, "latin1");
    if (!this.#isReading) this.#readAhead();
  }

  pauseBody(): void {
    if (this.#body?.pause() === true) this.#ahead.pause();
  }

  resumeBody(): void {
    if (this.#body?.resume(this.#context.now) === true) this.#ahead.resume();
  }

  finish(mustClose: boolean): void {
    this.#endExchange();
    if (mustClose || this.#state === "body") this.close();
    else if (this.output.isFull) this.#state = "flushing";
    else this.#next();
  }

  cut(mustReset: boolean): void {
    this.#state = "closed";
    this.#endExchange();
    // Unix sockets know no reset.
    if (mustReset && this.peers.remotePort !== 0) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    this.#context.onClosed(this);
  }

  /** From here on the socket is somebody else's, who hears it before this turn is over. */
  handOver(): HandedSocket {
    this.#state = "upgraded";
    this.#socket.off("data", this.#onData).off("end", this.#onEnd).off("drain", this.#onDrain);
    this.#ahead.resume();
    return new HandedSocket(this.#socket, this.#ahead.take());
  }

  /** Ends the connection behind what has been sent; what the client still sends is dropped. */
  close(): void {
    if (this.#state === "lingering" || this.#state === "closed") return;
    this.#state = "lingering";
    this.#body = null;
    this.#ahead.take();
    this.#ahead.resume();
    this.#lingering = new Lingering(this.#socket, this.output);
  }

  /** The server stops: goes if nothing runs; one that has just come may still bring its request. */
  drain(): void {
    if (this.#state === "idle" && !this.#isNew) this.close();
  }

  /** Answers an error without having read a request, and ends the connection. */
  refuse(error: HttpError): void {
    if (this.#exchange !== null) {
      this.#exchange.refuse(error);
      return;
    }
    this.#context.onRefused(error, this.peers.remoteAddress);
    const { head, body } = errorAnswer(error);
    this.output.send(headText(head, "", body.length, CLOSE), body, "");
    this.close();
  }

  /** Ends the connection at once; a running exchange is told. */
  destroy(): void {
    this.#socket.destroy();
    this.#onClose();
  }

  /** Looks at the deadlines. */
  tick(now: number): void {
    if (this.#state === "upgraded") return;
    const waited = now - this.#since;
    if (this.output.isStalled(now) || this.#lingering?.isOver(now) === true) this.destroy();
    else if (this.#state === "idle" && waited >= this.#context.idleLimitMs(this.#isNew))
      this.close();
    else if (this.#state === "head" && waited >= HEAD_TIMEOUT_MS) this.refuse(ERRORS.HEAD_TIMEOUT);
    else if (this.#body?.isTooSlow(now) === true) this.refuse(ERRORS.BODY_TIMEOUT);
  }

  readonly #onData = (chunk: Buffer): void => {
    const isBusy = this.#state === "busy" || this.#state === "flushing";
    if (isBusy || !this.#ahead.isEmpty) this.#ahead.keep(chunk);
    else if (this.#lingering === null) this.#read(chunk);
    else if (!this.#lingering.takes(chunk.length)) this.destroy();
  };

  // A loop, not a recursion: a handler that answers at once makes the next request of the same chunk
  // begin, as often as a client likes to pipeline.
  #read(chunk: Buffer): void {
    this.#isReading = true;
    try {
      let at = 0;
      while (at < chunk.length) at = this.#readPart(chunk, at);
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      this.refuse(error.error);
    } finally {
      this.#isReading = false;
    }
    if (this.#hasEnded) this.#checkEnd();
  }

  /** Reads what belongs together; returns the index after it. */
  #readPart(chunk: Buffer, start: number): number {
    if (this.#state === "idle" || this.#state === "head") return this.#readHead(chunk, start);
    if (this.#state === "body" && this.#body !== null)
      return this.#readBody(this.#body, chunk, start);
    if (this.#state === "busy" || this.#state === "flushing")
      this.#ahead.keep(chunk.subarray(start));
    else if (this.#state === "upgraded") this.#socket.emit("data", chunk.subarray(start));
    return chunk.length;
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
    this.#body = head.bodyLength === 0 ? null : new BodyIntake(head.bodyLength, maxBodyBytes);
    this.#state = this.#body === null ? "busy" : "body";
    const exchange = new Http1Exchange(this, head, performance.now());
    this.#exchange = exchange;
    if (!answerItself(exchange)) this.#context.onExchange(exchange);
  }

  #readBody(body: BodyIntake, chunk: Buffer, start: number): number {
    const { receiver } = body;
    const exchange = this.#exchange;
    if (receiver === null || exchange === null) {
      this.#ahead.keep(chunk.subarray(start));
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
      this.#ahead.expectMuch(false);
      this.#ahead.resume();
      receiver.onBodyEnd();
    }
    return end;
  }

  #readAhead(): void {
    if (!this.#ahead.pass((bytes) => this.#read(bytes)) && this.#hasEnded) this.#checkEnd();
    // What was read may have filled it again.
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
    if (exchange !== null) this.#context.onFinish(exchange);
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#checkEnd();
  };

  // The client will send no more. What it had sent whole is still answered (DESIGN: when has a client
  // left?).
  #checkEnd(): void {
    if (this.#state === "busy" && this.#isPersistent) this.#exchange?.listener?.onGone("end");
    if (!this.#ahead.isEmpty) return;
    if (this.#state === "idle" || this.#state === "head") this.close();
    else if (this.#state === "body" && this.#body !== null && this.#body.receiver !== null)
      this.refuse(ERRORS.BODY_INCOMPLETE);
  }

  readonly #onDrain = (): void => {
    this.output.drain();
    if (this.output.isFull) return;
    if (this.#state === "flushing") this.#next();
    else if (this.#lingering === null) this.#exchange?.listener?.onDrain();
    else this.#lingering.endSocket();
  };

  #onClose(): void {
    this.#state = "closed";
    this.#exchange?.lose();
    this.#endExchange();
    this.#context.onClosed(this);
  }
}
