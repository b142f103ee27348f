// One stream: a request and its response (RFC 9113 §5.1, §8.1). Frames the response of its exchange, holds what the
// client's windows do not allow yet, and passes the body of the request to the exchange's handler. Knows nothing of
// the socket, and of other streams only by what its connection tells.
//
//   open ──client's end──▶ half-closed (remote) ──our end──▶ closed
//     │ ├── our end, the body not whole: RST_STREAM(NO_ERROR) ──▲ ▲
//     │ └── our end of a tunnel ──▶ half-closed (local) ──client's end
//     └── RST_STREAM of either side, the end of the connection ──▲

import { errorResponse, type HttpError } from "../http/error.ts";
import type { BodyKind, BodyReceiver, Exchange, ResponseWriter } from "../http/exchange.ts";
import type { FieldSection } from "../http/field-section.ts";
import type { ResponseHead } from "../http/message.ts";
import { detachBuffer } from "../net/buffer-pool.ts";
import { STALLED_READER_MS } from "../net/connection-limits.ts";
import type { ConnectionMemory } from "../net/connection-memory.ts";
import { ErrorCode } from "./error-code.ts";
import {
  beginData,
  beginHeaders,
  endHeaders,
  Flag,
  MAX_PAYLOAD_BYTES,
  writeReset,
  writeWindowUpdate,
} from "./frames.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";
import { STREAM_HIGH_WATER_BYTES, WIDE_WINDOW_BYTES } from "./limits.ts";
import type { Output } from "./output.ts";
import type { Priority, Scheduled } from "./priority.ts";
import type { RequestBody } from "./request-body.ts";
import { SendQueue } from "./send-queue.ts";
import { type Tunnel, UpgradedHttp2Stream } from "./upgraded-stream.ts";

/** The connection, as its streams see it. */
export interface StreamOwner {
  readonly output: Output;
  readonly encoder: HpackEncoder;
  readonly memory: ConnectionMemory;
  readonly bodyTimeoutMs: number;
  /** Time of the last tick, ms. */
  readonly now: number;
  /** Bytes that the connection's window allows. */
  readonly sendWindow: number;
  /** Streams that have bytes to send: only without any may a stream write past the schedule. */
  waitingStreams: number;
  /** Streams that hear of room. */
  wantingStreams: number;
  /** DATA was sent. */
  onDataSent(bytes: number): void;
  /** Whether one more stream may have a wide window; the stream gives it back by `onNarrow`. */
  widen(): boolean;
  onNarrow(): void;
  onFinish(exchange: Exchange): void;
  /** The stream is closed. `isReset`: by us, so that frames of the client may be on their way. */
  onClosed(stream: Http2Stream, isReset: boolean): void;
}

type StreamState = "open" | "half-closed (remote)" | "half-closed (local)" | "closed";

const EMPTY = Buffer.alloc(0);
const CONTINUE: FieldSection = { names: [], values: [] };
/** Bodies of up to so many bytes belong to the caller again after `sendResponse`. */
const CALLERS_BYTES = 65_536;
/** Smaller pieces are left to the garbage collector. */
const FREED_BYTES = 32_768;

export class Http2Stream implements ResponseWriter, Scheduled, Tunnel {
  readonly id: number;
  readonly #owner: StreamOwner;
  /** Null before the request, and after the response. */
  exchange: Exchange | null = null;
  priority: Priority;
  /** Bytes that the stream's window allows; negative after a smaller setting. */
  sendWindow: number;
  /** When the request began, ms. */
  readonly since: number;
  #state: StreamState = "open";
  /** Null: no body is to come, or all of it was taken. */
  #body: RequestBody | null = null;
  #isWide = false;
  /** Memory of the request's head, if it is large. */
  #headBytes = 0;
  #awaitsContinue = false;
  #upgraded: UpgradedHttp2Stream | null = null;

  /** Null: no bytes wait. */
  #queue: SendQueue | null = null;
  /** Whether the stream ends behind the queue, and with which trailers. */
  #isEnding = false;
  #trailers: FieldSection | null = null;
  /** Whether HEADERS have ended our side. */
  #hasEndedEarly = false;
  #wantsDrain = false;
  /** Since when the client's windows have allowed nothing, ms. */
  #stalledSince = Infinity;
  /** The last frame of the stream that can take END_STREAM: its index in a turn, and the turn. */
  #lastFrame = 0;
  #lastTurn = -1;

  constructor(id: number, owner: StreamOwner, sendWindow: number, priority: Priority) {
    this.id = id;
    this.#owner = owner;
    this.sendWindow = sendWindow;
    this.priority = priority;
    this.since = owner.now;
  }

  // The request.

  get state(): StreamState {
    return this.#state;
  }

  get body(): RequestBody | null {
    return this.#body;
  }

  /** Whether the client is awaited: for the rest of a body, or to take the response. */
  get awaitsClient(): boolean {
    return (this.#body !== null && !this.#body.isWhole) || this.#queue !== null;
  }

  /** Memory of bytes that the client has not taken. */
  get queuedBytes(): number {
    return this.#queue?.memoryBytes ?? 0;
  }

  /** Bytes that the client's windows, or the socket, have not allowed yet. */
  get waitingBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  /** Whether the response is complete, and waits for its encoder or its client at most. */
  get hasResponse(): boolean {
    return this.exchange === null || this.exchange.isFinished;
  }

  get headBytes(): number {
    return this.#headBytes;
  }

  get stalledSince(): number {
    return this.#stalledSince;
  }

  get isUpgraded(): boolean {
    return this.#upgraded !== null;
  }

  /** The request begins. `body`: null = the client has ended its side. `headBytes`: counted for the head. */
  begin(
    exchange: Exchange,
    body: RequestBody | null,
    awaitsContinue: boolean,
    headBytes: number,
  ): void {
    this.exchange = exchange;
    this.#headBytes = headBytes;
    this.#awaitsContinue = awaitsContinue;
    this.expect(body);
  }

  /** `body`: what is to come; null = the client has ended its side. */
  expect(body: RequestBody | null): void {
    this.#body = body;
    if (body === null) this.#state = "half-closed (remote)";
  }

  /** Takes bytes of DATA, valid during the call only. */
  receive(bytes: Buffer): void {
    const body = this.#body;
    if (body === null) return;
    body.count(bytes.length);
    // The rest of a request that has its response is dropped, and its window stays closed.
    if (this.exchange === null) return;
    if (this.#upgraded !== null && body.memoryBytes === 0 && this.#upgraded.isFlowing) {
      this.#upgraded.receive(bytes);
      this.release(bytes.length);
    } else if (body.isFlowing) this.#give(body, bytes);
    else body.keep(bytes);
  }

  /** The client has ended its side. */
  endInput(): void {
    if (this.#state === "closed") return;
    const isOver = this.#state === "half-closed (local)";
    this.#state = "half-closed (remote)";
    if (this.#body !== null) this.#body.isWhole = true;
    if (isOver) this.#close(false);
    if (this.#upgraded === null) this.#deliver();
    else this.#upgraded.deliver();
  }

  receiveBody(receiver: BodyReceiver): void {
    const body = this.#body;
    if (body === null || body.receiver !== null) return;
    body.begin(receiver, this.#owner.bodyTimeoutMs, this.#owner.now);
    // A client that has sent bytes of the body does not wait (RFC 9110 §10.1.1).
    const isAwaited = this.#awaitsContinue && this.exchange?.isResponding === false;
    if (isAwaited && body.received === 0) this.#sendInterim(100, CONTINUE);
    if (body.isLarge && receiver.readsLittle !== true) this.#widen(body);
    this.#deliver();
  }

  pauseBody(): void {
    if (this.#body !== null) this.#body.isPaused = true;
  }

  resumeBody(): void {
    this.#body?.resume(this.#owner.now);
    this.#deliver();
  }

  /** Refuses the request, or cuts what has begun of its response. A response that waits for its client stays. */
  refuse(error: HttpError, isHead = false): void {
    if (this.exchange !== null) this.exchange.refuse(error);
    else if (this.#queue === null) {
      const [head, body] = errorResponse(error);
      this.sendResponse(head, "", isHead ? EMPTY : body, body.length);
    }
  }

  /** Enforces the deadlines; false: the client has taken nothing for too long. */
  tick(now: number): boolean {
    // The protocol of an upgraded stream has deadlines of its own.
    if (this.#upgraded !== null) return true;
    if (this.#queue === null || this.#isAllowed) this.#stalledSince = Infinity;
    else if (this.#stalledSince === Infinity) this.#stalledSince = now;
    else if (now - this.#stalledSince >= STALLED_READER_MS) return false;
    return true;
  }

  // The response.

  get isFull(): boolean {
    return (this.#queue?.bytes ?? 0) >= STREAM_HIGH_WATER_BYTES;
  }

  get hasRoom(): boolean {
    return !this.#owner.memory.output.isHalfUsed;
  }

  get isReady(): boolean {
    return this.#queue !== null && this.#isAllowed;
  }

  sendEarlyHints(fields: FieldSection): void {
    this.#sendInterim(103, fields);
  }

  sendResponse(head: ResponseHead, requestId: string, body: Buffer, length: number): void {
    const { length: bytes } = body;
    this.#sendHead(head, requestId, length, bytes === 0);
    if (bytes > 0) {
      if (this.#mayWrite(bytes)) this.#write(body, true);
      else if (bytes <= CALLERS_BYTES) this.#waiting().copy(body);
      else this.#waiting().push(body);
    }
    this.#end();
  }

  sendHead(head: ResponseHead, requestId: string, body: BodyKind): void {
    this.#hasEndedEarly = body === "none";
    this.#sendHead(head, requestId, -1, this.#hasEndedEarly);
  }

  sendBody(chunk: Buffer): boolean {
    if (chunk.length > 0 && this.#mayWrite(chunk.length)) {
      this.#write(chunk, false);
      if (chunk.length >= FREED_BYTES) detachBuffer(chunk);
    } else if (chunk.length > 0) this.#waiting().push(chunk);
    if (!this.isFull) return true;
    this.#want();
    return false;
  }

  sendEnd(trailers: FieldSection | null): void {
    if (!this.#hasEndedEarly) {
      if (this.#queue !== null) this.#trailers = trailers;
      else if (trailers !== null) this.#sendTrailers(trailers);
      else this.#sendLast();
    }
    this.#end();
  }

  /** Ends the stream so that the client notices. */
  reset(): void {
    this.#endExchange();
    this.abort(ErrorCode.INTERNAL_ERROR);
  }

  /** Ends the stream with RST_STREAM; a handler that runs is told. */
  abort(code: ErrorCode): void {
    if (this.#state === "closed") return;
    writeReset(this.#owner.output.turn, this.id, code);
    this.#close(true);
    this.#lose();
  }

  /** The client has reset the stream, or the connection is lost. */
  lose(): void {
    if (this.#state !== "closed") this.#close(false);
    this.#lose();
  }

  /** Sends a DATA frame of the bytes that wait. Only while `isReady`; `room`: bytes that the turn takes. */
  sendQueued(room: number): void {
    const owner = this.#owner;
    const queue = this.#queue;
    if (queue === null) return;
    const { bytes } = queue;
    const count = Math.min(bytes, this.sendWindow, owner.sendWindow, MAX_PAYLOAD_BYTES, room);
    const isLast = count === bytes && this.#isEnding && this.#trailers === null;
    const { turn } = owner.output;
    this.#noteFrame();
    beginData(turn, this.id, count, isLast);
    queue.move(count, turn);
    this.#count(count);
    if (count < bytes) return;
    this.#dropQueue();
    if (!this.#isEnding) return;
    if (this.#trailers !== null) this.#sendTrailers(this.#trailers);
    this.#endOutput();
  }

  /** Tells the handler that the client has taken enough, if the handler waits for it. */
  onRoom(): void {
    if (!this.#wantsDrain || (this.#upgraded === null ? this.isFull : this.#queue !== null)) return;
    this.#unwant();
    if (this.#upgraded === null) this.exchange?.drain();
    else this.#upgraded.onDrained();
  }

  // A tunnel.

  upgrade(_protocol: string, head: ResponseHead, requestId: string): UpgradedHttp2Stream {
    // HTTP/2 has no 101. RFC 8441 §5.
    const accepted = head.status === 101 ? { ...head, status: 200 } : head;
    this.#sendHead(accepted, requestId, -1, false);
    this.#upgraded = new UpgradedHttp2Stream(this);
    if (this.#body !== null) this.#widen(this.#body);
    return this.#upgraded;
  }

  get isInputWhole(): boolean {
    return this.#state === "half-closed (remote)" || this.#state === "closed";
  }

  send(bytes: Buffer): boolean {
    if (this.#state === "closed") return true;
    if (this.#mayWrite(bytes.length)) {
      this.#write(bytes, false);
      return true;
    }
    this.#waiting().push(bytes);
    this.#want();
    return false;
  }

  endOutput(): void {
    if (this.#state === "closed") return;
    this.#sendLast();
    this.#endOutput();
  }

  takeAhead(): Buffer {
    const ahead = this.#body?.takeWaiting() ?? Buffer.alloc(0);
    this.release(ahead.length);
    return ahead;
  }

  shiftInput(): Buffer | null {
    const bytes = this.#body?.shift() ?? null;
    if (bytes !== null) this.release(bytes.length);
    return bytes;
  }

  onTunnelClosed(): void {
    if (this.#state !== "closed") {
      writeReset(this.#owner.output.turn, this.id, ErrorCode.CANCEL);
      this.#close(true);
    }
    this.#lose();
  }

  /** Whether both windows allow a byte. */
  get #isAllowed(): boolean {
    return this.sendWindow > 0 && this.#owner.sendWindow > 0;
  }

  /** Whether bytes may be written at once: no others wait, and windows and turn have room. */
  #mayWrite(bytes: number): boolean {
    const owner = this.#owner;
    return (
      owner.waitingStreams === 0 &&
      bytes <= this.sendWindow &&
      bytes <= owner.sendWindow &&
      bytes <= owner.output.room
    );
  }

  #write(bytes: Buffer, isLast: boolean): void {
    const { turn } = this.#owner.output;
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD_BYTES) {
      const end = Math.min(at + MAX_PAYLOAD_BYTES, bytes.length);
      this.#noteFrame();
      beginData(turn, this.id, end - at, isLast && end === bytes.length);
      bytes.copy(turn.bytes, turn.length, at, end);
      turn.length += end - at;
      this.#count(end - at);
    }
  }

  #count(bytes: number): void {
    this.sendWindow -= bytes;
    this.#stalledSince = Infinity;
    this.#owner.onDataSent(bytes);
  }

  #waiting(): SendQueue {
    if (this.#queue === null) {
      this.#queue = new SendQueue(this.#upgraded === null);
      this.#owner.waitingStreams += 1;
      this.#owner.output.plan();
    }
    return this.#queue;
  }

  #dropQueue(): void {
    if (this.#queue === null) return;
    this.#queue = null;
    this.#owner.waitingStreams -= 1;
  }

  #want(): void {
    if (this.#wantsDrain) return;
    this.#wantsDrain = true;
    this.#owner.wantingStreams += 1;
  }

  #unwant(): void {
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.#owner.wantingStreams -= 1;
  }

  #sendHead(head: ResponseHead, requestId: string, length: number, isLast: boolean): void {
    const { output, encoder } = this.#owner;
    const { turn } = output;
    this.#noteFrame();
    const start = beginHeaders(turn);
    encoder.encodeHead(head, requestId, length, turn);
    endHeaders(turn, start, this.id, isLast);
  }

  #sendInterim(status: number, fields: FieldSection): void {
    const { output, encoder } = this.#owner;
    const { turn } = output;
    const start = beginHeaders(turn);
    encoder.encodeInterim(status, fields, turn);
    endHeaders(turn, start, this.id, false);
  }

  #sendTrailers(trailers: FieldSection): void {
    const { output, encoder } = this.#owner;
    const { turn } = output;
    const start = beginHeaders(turn);
    encoder.encodeTrailers(trailers, turn);
    endHeaders(turn, start, this.id, true);
  }

  /** The next frame begins here; END_STREAM can be set in it until the turn is written. */
  #noteFrame(): void {
    const { output } = this.#owner;
    this.#lastFrame = output.turn.length;
    this.#lastTurn = output.turns;
  }

  /** Ends our side behind the bytes that were sent or wait. */
  #sendLast(): void {
    const { output } = this.#owner;
    if (this.#queue !== null) this.#isEnding = true;
    else if (this.#lastTurn === output.turns) {
      const flags = this.#lastFrame + 4;
      const { bytes } = output.turn;
      bytes[flags] = (bytes[flags] ?? 0) | Flag.END_STREAM;
    } else beginData(output.turn, this.id, 0, true);
  }

  /** The response is complete. */
  #end(): void {
    this.#endExchange();
    this.#body?.takeWaiting();
    if (this.#queue === null) this.#endOutput();
    else this.#isEnding = true;
  }

  /** END_STREAM was sent, or waits as the last of the queue. */
  #endOutput(): void {
    if (this.#queue !== null) return;
    if (this.#state !== "open") this.#close(false);
    else if (this.#upgraded !== null) this.#state = "half-closed (local)";
    else {
      // The rest of the request is not needed. RFC 9113 §8.1.
      writeReset(this.#owner.output.turn, this.id, ErrorCode.NO_ERROR);
      this.#close(true);
    }
  }

  #close(isReset: boolean): void {
    this.#state = "closed";
    // The turn's end counts the memory anew.
    if (this.#queue !== null) this.#owner.output.plan();
    this.#dropQueue();
    this.#unwant();
    if (this.#upgraded === null) this.#dropBody();
    this.#owner.onClosed(this, isReset);
  }

  #dropBody(): void {
    this.#body?.takeWaiting();
    this.#body = null;
    if (this.#isWide) this.#owner.onNarrow();
    this.#isWide = false;
  }

  #lose(): void {
    const upgraded = this.#upgraded;
    this.exchange?.lose();
    this.#endExchange();
    if (upgraded === null) return;
    this.#dropBody();
    upgraded.destroy();
  }

  #endExchange(): void {
    const { exchange } = this;
    this.exchange = null;
    if (this.#headBytes > 0) {
      this.#owner.memory.heads.give(this.#headBytes);
      this.#headBytes = 0;
    }
    if (exchange !== null) this.#owner.onFinish(exchange);
  }

  #widen(body: RequestBody): void {
    if (this.#isWide || body.isWhole || !this.#owner.widen()) return;
    this.#isWide = true;
    const increment = body.window.grow(WIDE_WINDOW_BYTES);
    if (increment > 0) writeWindowUpdate(this.#owner.output.turn, this.id, increment);
  }

  #give(body: RequestBody, bytes: Buffer): void {
    const { exchange } = this;
    if (exchange === null || body.receiver === null) return;
    exchange.bytesReceived += bytes.length;
    body.receiver.onBody(bytes);
    this.release(bytes.length);
  }

  /** Bytes were taken, so that the client may send as many more. */
  release(bytes: number): void {
    const body = this.#body;
    if (body === null || body.isWhole || bytes === 0) return;
    const increment = body.window.release(bytes);
    if (increment > 0) writeWindowUpdate(this.#owner.output.turn, this.id, increment);
  }

  /** Passes on the bytes that wait, and the end behind them. */
  #deliver(): void {
    const body = this.#body;
    if (body === null) return;
    while (body.receiver !== null && !body.isPaused) {
      const bytes = body.shift();
      if (bytes === null) break;
      this.#give(body, bytes);
    }
    // The receiver may have ended the exchange.
    if (!body.isWhole || !body.isFlowing || this.#body !== body) return;
    const { receiver } = body;
    this.#dropBody();
    receiver?.onBodyEnd();
  }
}
