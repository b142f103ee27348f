// One request and its answer on an HTTP/1.1 connection: frames the answer, counts its bytes, and makes
// sure that a client never takes a part for the whole. Knows its connection only as the Line it writes
// to.
//
//   receiving ──respond()──────────────────▶ finished
//       │  └────start()──▶ answering ──end()──▶│
//       ├──────────┴── abort(), client gone ───┤
//       └────upgrade()──▶ upgraded ──closed────┘

import { ERRORS, type HttpError } from "../http/error.ts";
import type {
  BodyReceiver,
  Exchange,
  ExchangeListener,
  ExchangeTiming,
  UpgradedStream,
} from "../http/exchange.ts";
import {
  MAX_EARLY_HINT_BYTES,
  MAX_EARLY_HINTS,
  sizeOf,
  wantsTrailers,
  type FieldSection,
} from "../http/field-section.ts";
import type { RequestHead, ResponseHead } from "../http/message.ts";
import { mayHaveBody } from "../http/response-head.ts";
import { detachBuffer } from "../net/buffer-pool.ts";
import type { Peers } from "../net/address.ts";
import { errorAnswer } from "./own-answers.ts";
import { MAX_JOINED_BYTES, PIECE_BYTES, type Output } from "./output.ts";
import {
  chunkLine,
  CHUNKED,
  CLOSE,
  earlyHintText,
  headText,
  KEEP_ALIVE,
  LAST_CHUNK,
  lastChunkText,
} from "./serializer.ts";

/** What an exchange needs of its connection. */
export interface Line {
  readonly peers: Peers;
  readonly output: Output;
  /** Whether a further request may follow on the connection. */
  mayPersist(): boolean;
  receiveBody(receiver: BodyReceiver): void;
  pauseBody(): void;
  resumeBody(): void;
  /** The exchange has ended; `mustClose`: its end is the connection's. */
  finish(mustClose: boolean): void;
  /** Ends the connection without delay; `mustReset`: the client could take its end for the answer's. */
  cut(mustReset: boolean): void;
  /** Leaves the socket to another protocol. */
  handOver(): UpgradedStream;
}

const EMPTY = Buffer.alloc(0);

type BodyFraming = "none" | "length" | "chunked" | "close";

export class Http1Exchange implements Exchange {
  readonly head: RequestHead;
  readonly startedAt: number;
  scheme: Exchange["scheme"] = "http";
  remoteAddress: string;
  remotePort: number;
  requestId = "";
  effectiveHead: RequestHead;
  readonly timing: ExchangeTiming = { queued: 0, application: 0, worker: 0 };
  status = 0;
  bytesSent = 0;
  bytesReceived = 0;
  listener: ExchangeListener | null = null;
  isLast = false;

  readonly #line: Line;
  #state: "receiving" | "answering" | "upgraded" | "finished" = "receiving";
  #upgraded: UpgradedStream | null = null;
  #framing: BodyFraming = "none";
  /** Bytes that Content-Length has announced. */
  #length = 0;
  /** Whether the connection ends with this answer. */
  #closes = false;
  /** Early hints that have been sent. */
  #hints = 0;
  /** What waits for the end of the turn, so that it goes in one system call: the head, small chunks. */
  #unsent = "";

  constructor(line: Line, head: RequestHead, startedAt: number) {
    const { peers } = line;
    this.#line = line;
    this.head = head;
    this.startedAt = startedAt;
    this.remoteAddress = peers.remoteAddress;
    this.remotePort = peers.remotePort;
    this.effectiveHead = head;
  }

  get localAddress(): string {
    return this.#line.peers.localAddress;
  }

  get localPort(): number {
    return this.#line.peers.localPort;
  }

  get isFinished(): boolean {
    return this.#state === "finished";
  }

  get isAnswering(): boolean {
    return this.#state !== "receiving" && this.status !== 0;
  }

  receive(receiver: BodyReceiver): void {
    if (this.#state !== "finished") this.#line.receiveBody(receiver);
  }

  pauseBody(): void {
    if (this.#state !== "finished") this.#line.pauseBody();
  }

  resumeBody(): void {
    if (this.#state !== "finished") this.#line.resumeBody();
  }

  // A client that does not read has no use for them, and a hint is not worth waiting for.
  hint(fields: FieldSection): void {
    if (this.#state !== "receiving" || this.head.version === "1.0") return;
    if (this.#hints >= MAX_EARLY_HINTS || sizeOf(fields) > MAX_EARLY_HINT_BYTES) return;
    if (this.#line.output.isFull) return;
    this.#hints += 1;
    this.#line.output.send(earlyHintText(fields), EMPTY, "");
  }

  respond(head: ResponseHead, body: Buffer): void {
    if (this.#state !== "receiving") return;
    const hasBody = mayHaveBody(this.head.method, head.status);
    if (hasBody && head.contentLength !== null && head.contentLength !== body.length) {
      this.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    this.#closes ||= head.closes || this.isLast || !this.#line.mayPersist();
    // An empty body of a HEAD says nothing of what GET would give.
    const isLengthKnown = hasBody || (this.head.method === "HEAD" && body.length > 0);
    const length = isLengthKnown && head.status !== 204 && head.status !== 304 ? body.length : -1;
    const text = headText(head, this.requestId, length, this.#connectionLine());
    this.status = head.status;
    this.#state = "finished";
    if (hasBody) this.bytesSent = body.length;
    this.#line.output.send(text, hasBody ? body : EMPTY, "");
    this.#line.finish(this.#closes);
  }

  fail(error: HttpError): void {
    if (this.#state !== "receiving") return;
    const { head, body } = errorAnswer(error);
    this.#closes = error.closes;
    this.respond(head, body);
  }

  start(head: ResponseHead): void {
    if (this.#state !== "receiving") return;
    this.#framing = this.#framingOf(head);
    this.#length = head.contentLength ?? 0;
    this.#closes ||= this.#framing === "close" || head.closes;
    this.#closes ||= this.isLast || !this.#line.mayPersist();
    const coding = this.#framing === "chunked" ? CHUNKED : "";
    this.status = head.status;
    this.#state = "answering";
    this.#unsent = headText(head, this.requestId, -1, coding + this.#connectionLine());
    sendSoon(this);
  }

  write(chunk: Buffer): boolean {
    if (this.#state !== "answering") return true;
    if (this.#framing === "none" || chunk.length === 0) return !this.#line.output.isFull;
    if (this.#framing === "length" && this.bytesSent + chunk.length > this.#length) {
      this.abort();
      return true;
    }
    this.bytesSent += chunk.length;
    const { output } = this.#line;
    const isChunked = this.#framing === "chunked";
    const before = isChunked ? chunkLine(chunk.length) : "";
    const after = isChunked ? "\r\n" : "";
    const waiting = this.#unsent;
    if (waiting.length + chunk.length <= MAX_JOINED_BYTES) {
      if (waiting === "") sendSoon(this);
      this.#unsent += before + chunk.toString("latin1") + after;
    } else {
      this.#unsent = "";
      output.send(waiting + before, chunk, after);
    }
    if (chunk.length <= PIECE_BYTES) detachBuffer(chunk);
    return !output.isFull;
  }

  end(trailers?: FieldSection): void {
    if (this.#state !== "answering") return;
    if (this.#framing === "length" && this.bytesSent < this.#length) {
      this.abort();
      return;
    }
    const last = this.#unsent + (this.#framing === "chunked" ? this.#lastChunk(trailers) : "");
    this.#unsent = "";
    this.#state = "finished";
    if (last !== "") this.#line.output.send(last, EMPTY, "");
    this.#line.finish(this.#closes);
  }

  abort(): void {
    if (this.#state === "finished") return;
    this.sendUnsent();
    this.#finish();
    this.#line.cut(this.#framing === "close");
  }

  upgrade(protocol: string, head: ResponseHead): UpgradedStream | null {
    if (this.#state !== "receiving") return null;
    this.status = head.status;
    this.#state = "upgraded";
    const lines = `Upgrade: ${protocol}\r\nConnection: Upgrade\r\n`;
    this.#line.output.send(headText(head, this.requestId, -1, lines), EMPTY, "");
    this.#upgraded = this.#line.handOver();
    return this.#upgraded;
  }

  /** Sends what waits for the end of the turn. */
  sendUnsent(): void {
    const text = this.#unsent;
    this.#unsent = "";
    if (text !== "") this.#line.output.send(text, EMPTY, "");
  }

  /** The connection has ended, or the request cannot be completed: tells the handler. */
  lose(): void {
    if (this.#state === "finished") return;
    this.#finish();
    this.listener?.onGone("reset");
  }

  /** The request cannot be completed: answers it, if that is still possible, and tells the handler. */
  refuse(error: HttpError): void {
    const { listener } = this;
    if (this.#state === "receiving") this.fail(error);
    else this.abort();
    listener?.onGone("reset");
  }

  #finish(): void {
    this.#state = "finished";
    this.#unsent = "";
    if (this.#upgraded === null) return;
    this.bytesSent = this.#upgraded.bytesSent;
    this.bytesReceived = this.#upgraded.bytesReceived;
  }

  #lastChunk(trailers: FieldSection | undefined): string {
    if (trailers === undefined || !wantsTrailers(this.head)) return LAST_CHUNK;
    return lastChunkText(trailers);
  }

  #framingOf(head: ResponseHead): BodyFraming {
    if (!mayHaveBody(this.head.method, head.status)) return "none";
    if (head.contentLength !== null) return "length";
    return this.head.version === "1.0" ? "close" : "chunked";
  }

  #connectionLine(): string {
    if (this.#closes) return CLOSE;
    return this.head.version === "1.0" ? KEEP_ALIVE : "";
  }
}

// Exchanges with something that goes out at the end of the turn.
let unsent: Http1Exchange[] = [];

function sendSoon(exchange: Http1Exchange): void {
  if (unsent.length === 0) queueMicrotask(sendAll);
  unsent.push(exchange);
}

function sendAll(): void {
  const exchanges = unsent;
  unsent = [];
  for (const exchange of exchanges) exchange.sendUnsent();
}
