// One client's connection: what each frame does to the connection and its streams (RFC 9113 §6), how requests
// begin, and how the connection ends. FrameReader finds the frames, Http2Stream has one request and its response,
// Output writes.
//
//   open ──drain()──▶ announced ──PING answered, or timeout──▶ last ──no stream left──▶ closing ──▶ closed
//    │ └── the client's GOAWAY or FIN ─────────────────────────▲                        ▲          ▲
//    └──── idle, a fault of the client, a refusal ────────────────────────────────────────┘          │
//    └──── a client that takes nothing, or is gone ──────────────────────────────────────────────────┘
//
// announced: GOAWAY has told the client to begin no further request; those on their way are served. last: later
// requests are not. closing: our last frame is sent, and the client's bytes are dropped for a while.

import type { Socket } from "node:net";

import type { Arrival } from "../http/engine.ts";
import { ERRORS, RequestFault, type HttpError } from "../http/error.ts";
import { Exchange, type ConnectionFacts } from "../http/exchange.ts";
import { peersOf } from "../net/address.ts";
import {
  DRAIN_NEW_MS,
  HEAD_TIMEOUT_MS,
  SMALL_HEAD_BYTES,
  STALLED_READER_MS,
} from "../net/connection-limits.ts";
import type { ListedConnection } from "../net/connection-list.ts";
import type { ConnectionMemory, MemoryKind } from "../net/connection-memory.ts";
import { LingeringClose } from "../net/lingering-close.ts";
import type { Holder } from "../net/memory-budget.ts";
import { Allowance } from "./allowance.ts";
import { ConnectionFault, ErrorCode } from "./error-code.ts";
import { type FrameListener, FrameReader } from "./frame-reader.ts";
import {
  Flag,
  FrameType,
  MAX_STREAM_ID,
  PING_BYTES,
  readUint31,
  readUint32,
  writeGoAway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "./frames.ts";
import { HeaderBlock } from "./header-block.ts";
import { type FieldList, HpackDecoder, HpackFault } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import {
  CONNECTION_WINDOW_BYTES,
  CONTROL_FRAMES_PER_DATA_FRAME,
  MAX_BLOCK_FACTOR,
  MAX_CONCURRENT_STREAMS,
  MAX_CONTROL_FRAMES_PER_SECOND,
  MAX_RESETS,
  MAX_STREAM_FAULTS,
  MAX_WIDE_STREAMS,
  MIN_EARNING_BYTES,
  PING_AFTER_MS,
  PING_TIMEOUT_MS,
  RESETS_PER_SECOND,
  STREAM_FAULTS_PER_SECOND,
} from "./limits.ts";
import { Output, type OutputSource } from "./output.ts";
import { DEFAULT_PRIORITY, nextStream, readPriority } from "./priority.ts";
import { RecentIds } from "./recent-ids.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { RequestBody } from "./request-body.ts";
import { checkTrailers, MalformedRequest, readHead, type StreamHead } from "./request-head.ts";
import {
  INITIAL_WINDOW_BYTES,
  MAX_WINDOW_BYTES,
  ownSettings,
  type PeerSettings,
  readSettings,
} from "./settings.ts";
import { Http2Stream, type StreamOwner } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** What all connections of an engine share: limits, memory, the time, and the engine's callbacks. */
export interface ConnectionContext {
  /** Strict-Transport-Security of each response over TLS; "" = none. */
  readonly hsts: string;
  readonly memory: ConnectionMemory;
  /** The fields of the block that is read. */
  readonly fields: FieldList;
  /** Bytes of a request line, and of a whole head. */
  readonly lineBytes: number;
  readonly headBytes: number;
  readonly maxBodyBytes: number;
  /** How long a body may bring no byte; 0 = without limit. */
  readonly bodyTimeoutMs: number;
  /** How long an idle connection stays open. `isNew`: no request has come on it yet. */
  readonly idleLimitMs: (isNew: boolean) => number;
  /** Time of the last tick, ms. */
  readonly now: number;
  readonly isDraining: boolean;
  readonly onExchange: (exchange: Exchange) => void;
  readonly onFinish: (exchange: Exchange) => void;
  readonly onRefused: (error: HttpError, remoteAddress: string) => void;
  /** The connection will take no further request, and its descriptor is freed soon. */
  readonly onClosed: (connection: Http2Connection) => void;
}

type ConnectionState = "open" | "announced" | "last" | "closing" | "closed";

/** A turn with less room is written before the next DATA frame, which would be small. */
const MIN_ROOM_BYTES = 1024;
/** Payload of our PINGs. */
const PING = Buffer.alloc(PING_BYTES, "typhon");

export class Http2Connection implements FrameListener, OutputSource, StreamOwner, ListedConnection {
  index = -1;
  readonly output: Output;
  readonly encoder: HpackEncoder;
  waitingStreams = 0;
  wantingStreams = 0;
  /** Bytes that the client's window of the connection allows. */
  sendWindow = INITIAL_WINDOW_BYTES;
  readonly #socket: Socket;
  readonly #arrival: Arrival;
  readonly #context: ConnectionContext;
  readonly #reader: FrameReader;
  readonly #decoder = new HpackDecoder();
  readonly #streams = new StreamTable<Http2Stream>();
  readonly #peer: PeerSettings = { headerTableBytes: [], windowBytes: INITIAL_WINDOW_BYTES };
  readonly #window = new ReceiveWindow(CONNECTION_WINDOW_BYTES);
  readonly #resets = new RecentIds();
  /** Requests without a client that a process still has: each takes the place of a stream. */
  #abandoned: Exchange[] = [];
  readonly #controlFrames: Allowance;
  readonly #clientResets: Allowance;
  readonly #streamFaults: Allowance;
  #facts: ConnectionFacts | null = null;
  #state: ConnectionState = "open";
  /** When the connection became idle, or its state was entered, ms. */
  #since: number;
  #isNew = true;
  /** Whether the client's SETTINGS have come, which must be its first frame. */
  #hasSettings = false;
  /** The greatest id of a client's stream. */
  #lastId = 0;
  /** The greatest id in our last GOAWAY: later streams are not served. */
  #lastServedId = MAX_STREAM_ID;
  /** A field block that is incomplete. */
  #block: HeaderBlock | null = null;
  /** The stream whose DATA frame is being read; null: its bytes are dropped. */
  #dataStream: Http2Stream | null = null;
  #isDataLast = false;
  /** The stream that sent DATA last. */
  #lastSent = 0;
  #wideStreams = 0;
  #isPaused = false;
  /** Whether the client has ended its sending side. */
  #hasEnded = false;
  #lingering: LingeringClose | null = null;
  /** The last tick before which bytes came, and our PING that waits for bytes. */
  #heardAt: number;
  #pingedAt = -Infinity;
  /** Since when the client's window of the connection has held up streams, ms. */
  #stalledSince = Infinity;
  /** The incomplete frame that a tick has seen, and when. */
  #partial = 0;
  #partialSince = 0;

  constructor(socket: Socket, arrival: Arrival, context: ConnectionContext) {
    this.#socket = socket;
    this.#arrival = arrival;
    this.#context = context;
    const { now, memory } = context;
    this.encoder = new HpackEncoder(arrival.scheme === "https" ? context.hsts : "");
    this.#since = now;
    this.#heardAt = now;
    this.#controlFrames = new Allowance(
      2 * MAX_CONTROL_FRAMES_PER_SECOND,
      MAX_CONTROL_FRAMES_PER_SECOND,
      now,
    );
    this.#clientResets = new Allowance(MAX_RESETS, RESETS_PER_SECOND, now);
    this.#streamFaults = new Allowance(MAX_STREAM_FAULTS, STREAM_FAULTS_PER_SECOND, now);
    this.#reader = new FrameReader(this, memory.input);
    this.output = new Output(socket, this, memory.output);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.#onEnd());
    socket.on("close", () => this.#onClose());
    // "close" follows each error, and is enough: the client is gone.
    socket.on("error", () => undefined);
    writeSettings(this.output.turn, ownSettings(context.headBytes));
    writeWindowUpdate(this.output.turn, 0, CONNECTION_WINDOW_BYTES - INITIAL_WINDOW_BYTES);
    if (context.isDraining) this.drain();
  }

  // The connection, for its engine.

  /** Time since when the connection is idle; Infinity while busy, or if accepted since the last tick. */
  get idleSince(): number {
    if (this.#streams.size > 0 || (this.#isNew && this.#since === this.#context.now))
      return Infinity;
    return this.#since;
  }

  /** The server stops: requests that have been sent are served, and no further ones. */
  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "announced";
    this.#since = this.#context.now;
    writeGoAway(this.output.turn, MAX_STREAM_ID, ErrorCode.NO_ERROR, "");
    writePing(this.output.turn, false, PING, 0);
  }

  /** Refuses the connection. */
  refuse(error: HttpError): void {
    this.#context.onRefused(error, this.#connectionFacts().remoteAddress);
    this.#endWith(ErrorCode.ENHANCE_YOUR_CALM, error.code);
  }

  /** Ends the connection at once; handlers of running exchanges are told. */
  destroy(): void {
    this.#socket.destroy();
    this.#onClose();
  }

  /** Enforces the deadlines. */
  tick(now: number): void {
    if (this.output.isStalled(now)) {
      this.destroy();
      return;
    }
    if (this.#state === "closing" || this.#state === "closed") return;
    try {
      this.#checkInput(now);
      this.#checkStreams(now);
      this.#checkIdle(now);
    } catch (error) {
      this.#onFault(error);
    }
  }

  /** What the connection holds of a kind of memory while it waits for its client. */
  sheddable(kind: MemoryKind): Holder {
    const { output } = this;
    let since = output.waitsSince;
    let bytes = 0;
    for (const stream of this.#streams.all) {
      if (kind === "output") since = Math.min(since, stream.stalledSince);
      else if (kind === "heads" && stream.awaitsClient) bytes += stream.headBytes;
      else if (kind === "input") bytes += stream.body?.memoryBytes ?? 0;
      if (kind !== "output") since = Math.min(since, stream.since);
    }
    if (kind === "output") return { since, bytes: output.memoryBytes };
    if (kind === "input") bytes += this.#reader.memoryBytes + (this.#block?.memoryBytes ?? 0);
    return { since: Math.min(since, this.#since), bytes };
  }

  /**
   * Gives up memory of a kind: refuses requests that are incomplete, resets streams whose client does not read, or
   * cuts a client that takes nothing at all.
   */
  shed(kind: MemoryKind): void {
    if (kind === "output" && this.output.isBlocked) this.destroy();
    else if (kind === "input" && this.#block !== null)
      this.#endWith(ErrorCode.ENHANCE_YOUR_CALM, ERRORS.NO_HEAD_MEMORY.code);
    else
      for (const stream of this.#streams.copy()) {
        if (kind === "output" && stream.queuedBytes > 0) stream.abort(ErrorCode.CANCEL);
        else if (kind === "heads" && stream.headBytes > 0 && stream.awaitsClient)
          stream.refuse(ERRORS.NO_INPUT_MEMORY);
        else if (kind === "input" && (stream.body?.memoryBytes ?? 0) > 0)
          stream.refuse(ERRORS.NO_INPUT_MEMORY);
      }
  }

  // The connection, for its streams.

  get memory(): ConnectionMemory {
    return this.#context.memory;
  }

  get now(): number {
    return this.#context.now;
  }

  get bodyTimeoutMs(): number {
    return this.#context.bodyTimeoutMs;
  }

  onDataSent(bytes: number): void {
    this.sendWindow -= bytes;
    if (bytes >= MIN_EARNING_BYTES) this.#controlFrames.earn(CONTROL_FRAMES_PER_DATA_FRAME);
  }

  widen(): boolean {
    if (this.#wideStreams === MAX_WIDE_STREAMS || this.memory.input.isHalfUsed) return false;
    this.#wideStreams += 1;
    return true;
  }

  onNarrow(): void {
    this.#wideStreams -= 1;
  }

  onFinish(exchange: Exchange): void {
    if (exchange.handling.isAbandoned) this.#abandoned.push(exchange);
    this.#context.onFinish(exchange);
  }

  onClosed(stream: Http2Stream, isReset: boolean): void {
    this.#streams.remove(stream);
    if (isReset) this.#resets.add(stream.id);
    if (this.#dataStream === stream) this.#dataStream = null;
    if (this.#streams.size > 0) return;
    this.#since = this.#context.now;
    // The turn's end closes a connection that has no further request.
    if (this.#state === "last") this.output.plan();
  }

  // The connection, for its output.

  get queuedBytes(): number {
    if (this.waitingStreams === 0) return 0;
    let bytes = 0;
    for (const stream of this.#streams.all) bytes += stream.queuedBytes;
    return bytes;
  }

  fill(): void {
    while (this.waitingStreams > 0 && this.output.room >= MIN_ROOM_BYTES) {
      const stream = nextStream(this.#streams.all, this.#lastSent);
      if (stream === null) return;
      this.#lastSent = stream.id;
      stream.sendQueued(this.output.room);
    }
  }

  onRoom(): void {
    if (this.wantingStreams > 0) for (const stream of this.#streams.copy()) stream.onRoom();
    if (this.#isPaused && !this.output.isFull) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    if (this.#state === "last" && this.#streams.size === 0) this.#close();
    else if (this.#state === "closing") this.#endSocket();
  }

  // The client's frames.

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    this.#checkOrder(type);
    switch (type) {
      case FrameType.HEADERS:
        this.#onHeaders(flags, streamId, bytes, start, end);
        break;
      case FrameType.CONTINUATION:
        this.#onContinuation(flags, streamId, bytes, start, end);
        break;
      case FrameType.RST_STREAM:
        this.#onReset(streamId, end - start);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#onWindowUpdate(streamId, bytes, start, end);
        break;
      case FrameType.SETTINGS:
        this.#onSettings(flags, streamId, bytes, start, end);
        break;
      case FrameType.PING:
        this.#onPing(flags, streamId, bytes, start, end);
        break;
      case FrameType.GOAWAY:
        this.#onGoAway(streamId, end - start);
        break;
      case FrameType.PRIORITY:
        this.#onPriority(streamId, bytes, start, end);
        break;
      case FrameType.PRIORITY_UPDATE:
        this.#onPriorityUpdate(streamId, bytes, start, end);
        break;
      case FrameType.PUSH_PROMISE:
        throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client must not push");
      default:
        this.#countControl();
    }
  }

  onDataBegin(streamId: number, length: number, dataLength: number, isLast: boolean): void {
    this.#checkOrder(FrameType.DATA);
    this.#checkIdleStream(streamId);
    if (dataLength === 0 && !isLast) this.#countControl();
    if (!this.#window.receive(length))
      throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is passed");
    // A stream that nobody receives must not hold up the others.
    const increment = this.#window.release(length);
    if (increment > 0) writeWindowUpdate(this.output.turn, 0, increment);
    const stream = this.#streams.find(streamId);
    this.#dataStream = null;
    if (stream === null) {
      if (!this.#mayStillSend(streamId))
        throw new ConnectionFault(ErrorCode.STREAM_CLOSED, "DATA on a closed stream");
      this.#countControl();
      return;
    }
    const { body } = stream;
    if (body === null || body.isWhole) this.#endStream(streamId, ErrorCode.STREAM_CLOSED);
    else if (!body.window.receive(length)) this.#endStream(streamId, ErrorCode.FLOW_CONTROL_ERROR);
    else if (!body.announce(dataLength, isLast))
      this.#endStream(streamId, ErrorCode.PROTOCOL_ERROR);
    else if (
      body.received > this.#context.maxBodyBytes &&
      !stream.hasResponse &&
      !stream.isUpgraded
    )
      stream.refuse(ERRORS.BODY_TOO_LARGE);
    else {
      this.#dataStream = stream;
      this.#isDataLast = isLast;
      // Padding is taken at once.
      stream.release(length - dataLength);
    }
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#dataStream?.receive(bytes.subarray(start, end));
  }

  onDataEnd(): void {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (this.#isDataLast) stream?.endInput();
  }

  /** RFC 9113 §3.4, §6.10. */
  #checkOrder(type: number): void {
    if (this.#block !== null && type !== FrameType.CONTINUATION)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a field block is interrupted");
    if (!this.#hasSettings && type !== FrameType.SETTINGS)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
  }

  /** A stream that no HEADERS have opened has only HEADERS and PRIORITY. RFC 9113 §5.1. */
  #checkIdleStream(streamId: number): void {
    if (streamId === 0 || (streamId & 1) === 0 || streamId > this.#lastId)
      throw new ConnectionFault(
        ErrorCode.PROTOCOL_ERROR,
        "a frame of a stream that was not opened",
      );
  }

  /** Whether frames may be on their way for a stream that is not open: it was reset, or is not served. RFC 9113 §6.8. */
  #mayStillSend(streamId: number): boolean {
    return streamId > this.#lastServedId || this.#resets.has(streamId);
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    let start = from;
    let end = to;
    if ((flags & Flag.PADDED) !== 0) {
      end -= bytes[start] ?? 0;
      start += 1;
    }
    if ((flags & Flag.PRIORITY) !== 0) {
      if (readUint31(bytes, start) === streamId)
        throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself");
      start += 5;
    }
    if (start > end || start > to)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "HEADERS are shorter than their padding");
    if ((streamId & 1) === 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client's streams have odd ids");
    const isLast = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.#onBlock(streamId, isLast, bytes, start, end);
      return;
    }
    const { headBytes, memory, now } = this.#context;
    this.#block = new HeaderBlock(streamId, isLast, now, {
      maxBytes: MAX_BLOCK_FACTOR * headBytes,
      budget: memory.input,
    });
    this.#block.add(bytes, start, end);
  }

  #onContinuation(flags: number, streamId: number, bytes: Buffer, start: number, end: number) {
    const block = this.#block;
    if (block === null || block.streamId !== streamId)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION continues no field block");
    block.add(bytes, start, end);
    if ((flags & Flag.END_HEADERS) === 0) return;
    this.#block = null;
    const whole = block.bytes;
    try {
      this.#onBlock(streamId, block.isLast, whole, 0, whole.length);
    } finally {
      block.drop();
    }
  }

  /** A field block is whole: the head of a request, or its trailers. */
  #onBlock(streamId: number, isLast: boolean, bytes: Buffer, start: number, end: number): void {
    const { fields } = this.#context;
    try {
      this.#decoder.decode(bytes, start, end, fields);
    } catch (error) {
      if (!(error instanceof HpackFault)) throw error;
      throw new ConnectionFault(ErrorCode.COMPRESSION_ERROR, error.message);
    }
    if (streamId > this.#lastId) this.#open(streamId, isLast, fields);
    else this.#onTrailers(streamId, isLast, fields);
  }

  #onTrailers(streamId: number, isLast: boolean, { fields, isTooLarge }: FieldList): void {
    const stream = this.#streams.find(streamId);
    if (stream === null) {
      if (!this.#mayStillSend(streamId))
        throw new ConnectionFault(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream");
      this.#countControl();
      return;
    }
    const { body } = stream;
    if (body === null || body.isWhole) this.#endStream(streamId, ErrorCode.STREAM_CLOSED);
    else if (!isLast || stream.isUpgraded || !body.announce(0, true))
      this.#endStream(streamId, ErrorCode.PROTOCOL_ERROR);
    else {
      try {
        if (isTooLarge) throw new RequestFault(ERRORS.HEAD_TOO_LARGE);
        checkTrailers(fields);
        stream.endInput();
      } catch (error) {
        if (error instanceof MalformedRequest) this.#endStream(streamId, ErrorCode.PROTOCOL_ERROR);
        else if (error instanceof RequestFault) stream.refuse(error.error);
        else throw error;
      }
    }
  }

  /** A request begins. */
  #open(streamId: number, isLast: boolean, list: FieldList): void {
    this.#lastId = streamId;
    // The client has sent the request before it heard of our last GOAWAY, and sends it again elsewhere.
    if (this.#state === "last") return;
    this.#isNew = false;
    if (!this.#hasPlace()) {
      this.#context.onRefused(ERRORS.STREAMS_TOO_MANY, this.#connectionFacts().remoteAddress);
      // It may be no fault: a client does not know of its cancelled requests that still run.
      this.#countControl();
      this.#resetStream(streamId, ErrorCode.REFUSED_STREAM);
      return;
    }
    this.#controlFrames.earn(CONTROL_FRAMES_PER_DATA_FRAME);
    const stream = new Http2Stream(streamId, this, this.#peer.windowBytes, DEFAULT_PRIORITY);
    try {
      this.#begin(stream, isLast, list);
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      this.#context.onRefused(error.error, this.#connectionFacts().remoteAddress);
      if (error instanceof MalformedRequest) this.#endStream(streamId, ErrorCode.PROTOCOL_ERROR);
      else {
        this.#streams.add(stream);
        stream.expect(isLast ? null : new RequestBody(null, this.memory.input));
        stream.refuse(error.error, isHead(list));
      }
    }
  }

  /** Whether one more request may run. */
  #hasPlace(): boolean {
    const places = MAX_CONCURRENT_STREAMS - this.#streams.size;
    if (this.#abandoned.length >= places) this.#forgetAbandoned();
    return this.#abandoned.length < places;
  }

  #forgetAbandoned(): void {
    this.#abandoned = this.#abandoned.filter(({ handling }) => handling.isAbandoned);
  }

  #begin(stream: Http2Stream, isLast: boolean, list: FieldList): void {
    const { scheme } = this.#arrival;
    const { lineBytes, maxBodyBytes, memory } = this.#context;
    if (list.isTooLarge) throw new RequestFault(ERRORS.HEAD_TOO_LARGE);
    const read: StreamHead = readHead(list.fields, isLast, { scheme, lineBytes });
    const { head } = read;
    const { bodyLength } = head;
    if (bodyLength !== null && bodyLength > maxBodyBytes)
      throw new RequestFault(ERRORS.BODY_TOO_LARGE);
    const headBytes = list.bytes > SMALL_HEAD_BYTES ? this.#countHead(list.bytes) : 0;
    const stated = head.protocol === "" ? bodyLength : null;
    const body = isLast ? null : new RequestBody(stated, memory.input);
    stream.priority = read.priority;
    this.#streams.add(stream);
    const exchange = new Exchange(head, this.#connectionFacts(), stream);
    stream.begin(exchange, body, read.awaitsContinue, headBytes);
    if (!exchange.respondAsServer()) this.#context.onExchange(exchange);
  }

  /** The application's process gets a copy of the values (`names`, `values` of a job). */
  #countHead(bytes: number): number {
    const budget = this.memory.heads;
    if (!budget.hasRoom) throw new RequestFault(ERRORS.NO_HEAD_MEMORY);
    budget.take(2 * bytes);
    return 2 * bytes;
  }

  #onReset(streamId: number, length: number): void {
    if (length !== 4)
      throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM has not 4 bytes");
    this.#checkIdleStream(streamId);
    const stream = this.#streams.find(streamId);
    if (stream === null) {
      this.#countControl();
      return;
    }
    // The handler may go on for a while with a request that the client has left.
    if (stream.exchange !== null && !this.#clientResets.take(this.now))
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many requests are cancelled");
    stream.lose();
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4)
      throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE has not 4 bytes");
    this.#countControl();
    const increment = readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0)
        throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE adds nothing");
      this.sendWindow += increment;
      if (this.sendWindow > MAX_WINDOW_BYTES)
        throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large");
    } else {
      this.#checkIdleStream(streamId);
      const stream = this.#streams.find(streamId);
      if (stream === null) return;
      stream.sendWindow += increment;
      if (increment === 0) this.#endStream(streamId, ErrorCode.PROTOCOL_ERROR);
      else if (stream.sendWindow > MAX_WINDOW_BYTES)
        this.#endStream(streamId, ErrorCode.FLOW_CONTROL_ERROR);
    }
    if (this.waitingStreams > 0) this.output.plan();
  }

  #onSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS belong to the connection");
    this.#countControl();
    if ((flags & Flag.ACK) !== 0) {
      if (end > start)
        throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement has settings");
      if (!this.#hasSettings)
        throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
      return;
    }
    this.#hasSettings = true;
    const before = this.#peer.windowBytes;
    readSettings(this.#peer, bytes, start, end);
    const more = this.#peer.windowBytes - before;
    for (const stream of this.#streams.all) {
      stream.sendWindow += more;
      if (stream.sendWindow > MAX_WINDOW_BYTES)
        throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window is too large");
    }
    for (const size of this.#peer.headerTableBytes) this.encoder.setMaxTableBytes(size);
    this.#peer.headerTableBytes.length = 0;
    writeSettingsAck(this.output.turn);
  }

  #onPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== PING_BYTES)
      throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING has not 8 bytes");
    if (streamId !== 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING belongs to the connection");
    this.#countControl();
    if ((flags & Flag.ACK) === 0) writePing(this.output.turn, true, bytes, start);
    else if (this.#state === "announced") this.#takeNoMore();
  }

  #onGoAway(streamId: number, length: number): void {
    if (length < 8) throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is too short");
    if (streamId !== 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY belongs to the connection");
    this.#countControl();
    // The client sends no further request; those that run get their responses.
    if (this.#state === "open" || this.#state === "announced") this.#takeNoMore();
  }

  #onPriority(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId === 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY belongs to a stream");
    if (end - start !== 5)
      throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY has not 5 bytes");
    if (readUint31(bytes, start) === streamId)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself");
    this.#countControl();
  }

  /** RFC 9218 §7.1. For a stream that is not open the update is ignored; its request has a field of its own. */
  #onPriorityUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY_UPDATE is the connection's");
    if (end - start < 4)
      throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY_UPDATE is too short");
    const id = readUint32(bytes, start) & MAX_STREAM_ID;
    if (id === 0)
      throw new ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY_UPDATE names no stream");
    this.#countControl();
    const stream = this.#streams.find(id);
    if (stream !== null) stream.priority = readPriority(bytes.toString("latin1", start + 4, end));
  }

  /** Counts a frame that costs work and carries nothing. */
  #countControl(): void {
    if (!this.#controlFrames.take(this.now))
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many control frames");
  }

  /** Ends one stream by the client's fault; RFC 9113 §5.4.2. */
  #endStream(streamId: number, code: ErrorCode): void {
    if (!this.#streamFaults.take(this.now))
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many streams had to be reset");
    const stream = this.#streams.find(streamId);
    if (stream !== null) stream.abort(code);
    else this.#resetStream(streamId, code);
  }

  /** Resets a stream that is not in the table. */
  #resetStream(streamId: number, code: ErrorCode): void {
    writeReset(this.output.turn, streamId, code);
    this.#resets.add(streamId);
  }

  // Reading, deadlines and the end.

  #onData(chunk: Buffer): void {
    this.#heardAt = this.#context.now;
    if (this.#lingering !== null) {
      this.#lingering.drop(chunk.length);
      return;
    }
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#onFault(error);
    }
    if (this.#isPaused || !this.output.isFull) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #onFault(error: unknown): void {
    if (!(error instanceof ConnectionFault)) {
      // A fault of ours ends the connection, which nobody else would.
      this.destroy();
      throw error;
    }
    const isFlood = error.code === ErrorCode.ENHANCE_YOUR_CALM;
    this.#context.onRefused(
      isFlood ? ERRORS.FRAMES_TOO_MANY : ERRORS.FRAMES_INVALID,
      this.#connectionFacts().remoteAddress,
    );
    this.#endWith(error.code, error.message);
  }

  /** An incomplete frame or field block must not stay. */
  #checkInput(now: number): void {
    const { partials, memoryBytes } = this.#reader;
    if (memoryBytes === 0 || partials !== this.#partial) {
      this.#partial = partials;
      this.#partialSince = now;
    }
    const since = Math.min(this.#partialSince, this.#block?.since ?? now);
    if (now - since >= HEAD_TIMEOUT_MS)
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a frame takes too long");
  }

  #checkStreams(now: number): void {
    if (this.#abandoned.length > 0) this.#forgetAbandoned();
    if (this.waitingStreams === 0 || this.sendWindow > 0) this.#stalledSince = Infinity;
    else if (this.#stalledSince === Infinity) this.#stalledSince = now;
    else if (now - this.#stalledSince >= STALLED_READER_MS)
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the window stays closed");
    for (const stream of this.#streams.copy()) {
      // No WINDOW_UPDATE will come.
      if (this.#hasEnded && stream.waitingBytes > Math.min(stream.sendWindow, this.sendWindow))
        stream.abort(ErrorCode.CANCEL);
      else if (!stream.hasResponse && stream.body?.isTooSlow(now) === true)
        stream.refuse(ERRORS.BODY_TIMEOUT);
      else if (!stream.tick(now)) this.#endStream(stream.id, ErrorCode.CANCEL);
    }
  }

  #checkIdle(now: number): void {
    const waited = now - this.#since;
    if (this.#state === "announced" && waited >= DRAIN_NEW_MS) this.#takeNoMore();
    else if (this.#streams.size === 0) {
      if (this.#state === "open" && waited >= this.#context.idleLimitMs(this.#isNew))
        this.#endWith(ErrorCode.NO_ERROR, "");
    } else if (this.#hasEnded) {
      // A client that waits for its responses takes the frame; one that is gone resets the connection.
      writePing(this.output.turn, false, PING, 0);
    } else if (this.#pingedAt > this.#heardAt) {
      if (now - this.#pingedAt >= PING_TIMEOUT_MS) this.destroy();
    } else if (now - this.#heardAt >= PING_AFTER_MS) {
      this.#pingedAt = now;
      writePing(this.output.turn, false, PING, 0);
    }
  }

  /** Tells the client which requests are served, and ends when they have their responses. */
  #takeNoMore(): void {
    this.#state = "last";
    this.#lastServedId = this.#lastId;
    writeGoAway(this.output.turn, this.#lastId, ErrorCode.NO_ERROR, "");
  }

  /** Ends the connection with GOAWAY; streams that are open are lost. */
  #endWith(code: ErrorCode, reason: string): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    const lastId = Math.min(this.#lastId, this.#lastServedId);
    writeGoAway(this.output.turn, lastId, code, reason);
    this.#close();
  }

  /** Closes the connection behind the frames that were sent; bytes that the client still sends are dropped. */
  #close(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#dropInput();
    this.#loseStreams();
    this.#lingering = new LingeringClose(this.#socket);
    if (this.#isPaused) this.#socket.resume();
    this.#isPaused = false;
    this.output.plan();
  }

  /** Closes our side when all frames were given to the socket. */
  #endSocket(): void {
    if (this.output.isEmpty) this.#socket.end();
  }

  // The client has closed its sending side. A complete request still gets its response.
  #onEnd(): void {
    this.#hasEnded = true;
    if (this.#state === "closing" || this.#state === "closed") return;
    if (this.#state !== "last") this.#takeNoMore();
    this.#dropInput();
    for (const stream of this.#streams.copy()) {
      if (stream.state !== "half-closed (remote)") stream.lose();
      else stream.exchange?.listener?.onGone("end");
    }
    this.output.plan();
  }

  #loseStreams(): void {
    for (const stream of this.#streams.copy()) stream.lose();
  }

  #dropInput(): void {
    this.#reader.stop();
    this.#block?.drop();
    this.#block = null;
    this.#dataStream = null;
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#dropInput();
    this.#loseStreams();
    this.#abandoned = [];
    this.output.release();
    this.#context.onClosed(this);
  }

  #connectionFacts(): ConnectionFacts {
    const { scheme, tls, peers } = this.#arrival;
    return (this.#facts ??= { scheme, tls, ...(peers ?? peersOf(this.#socket)) });
  }
}

/** Whether a head that is not valid asks for a response without a body. */
function isHead({ fields }: FieldList): boolean {
  return fields.some(({ name, value }) => name === ":method" && value === "HEAD");
}
