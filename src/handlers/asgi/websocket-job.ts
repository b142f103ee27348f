// A WebSocket of an ASGI application. Until the application accepts it is a request like any other, with
// its deadline and its answers; then the front keeps the connection, and messages go both ways until one
// side closes. The worker hears once how it ended, and has the last word about the job.
//
//   asking ──WS_ACCEPT──▶ open ──the client, the application, a fault, the worker's end──▶ over
//      └── denied by WS_CLOSE, an answer, a fault, lost: as HTTP answers ─────────────────▲

import { ERRORS, type HttpError } from "../../http/error.ts";
import type { Exchange } from "../../http/exchange.ts";
import type { ResponseHead } from "../../http/message.ts";
import { ResponseFault } from "../../http/response-head.ts";
import { CloseCode, maySend } from "../../websocket/close-code.ts";
import {
  WebSocketConnection,
  type WebSocketListener,
  type WebSocketSettings,
} from "../../websocket/connection.ts";
import { acceptDeflate } from "../../websocket/deflate.ts";
import { ANSWER_MS } from "../../websocket/limits.ts";
import { acceptanceHead, type Acceptance, type Handshake } from "../../websocket/handshake.ts";
import { monotonic } from "../../workers/clock.ts";
import { FrameFault } from "../../workers/frame.ts";
import type { LostReason, WebSocketPart } from "../../workers/job.ts";
import { encodeClosed } from "../../workers/web-socket-frames.ts";
import type { ApplicationContext } from "../python/context.ts";
import { AsgiJob } from "./asgi-job.ts";
import { ClientMessages } from "./client-messages.ts";
import type { OpenWebSocket, OpenWebSockets } from "../python/open-web-sockets.ts";
import { splitRecord } from "../python/response-record.ts";

/** Credit is given back in steps of at least this: a frame for each message would double the frames. */
const CREDIT_STEP_BYTES = 65_536;

/** What the WebSockets of an application have in common. */
interface WebSocketHouse {
  readonly open: OpenWebSockets;
  readonly settings: WebSocketSettings;
}

export class WebSocketJob
  extends AsgiJob
  implements WebSocketPart, WebSocketListener, OpenWebSocket
{
  override readonly webSocket: WebSocketPart = this;
  readonly #handshake: Handshake;
  readonly #open: OpenWebSockets;
  readonly #settings: WebSocketSettings;
  /** Both null until the application has accepted. */
  #connection: WebSocketConnection | null = null;
  #messages: ClientMessages | null = null;
  /** Bytes that the client has taken and the worker has no credit for yet. */
  #taken = 0;
  /** It had accepted with what cannot be sent, and may not have heard yet what became of it. */
  #isRefused = false;
  #isWorkerLeaving = false;

  constructor(
    exchange: Exchange,
    context: ApplicationContext,
    handshake: Handshake,
    house: WebSocketHouse,
  ) {
    super(exchange, context);
    this.#handshake = handshake;
    this.#open = house.open;
    this.#settings = house.settings;
  }

  override begin(): void {
    const { exchange } = this;
    exchange.scheme = exchange.scheme === "https" ? "wss" : "ws";
    this.submit("", "");
  }

  override isHeldByClient(): boolean {
    return this.#connection !== null || super.isHeldByClient();
  }

  /** The client has left, or can send nothing more, before there was a WebSocket. */
  override onGone(how: "reset" | "end"): void {
    if (this.exchange.isResponding) {
      super.onGone(how);
      return;
    }
    this.abandon();
    this.exchange.abort();
  }

  onAccept(record: string, count: number, send: (frame: Buffer) => void): void {
    const { exchange } = this;
    const { mayCompress, maxMessageBytes } = this.#settings;
    const offers = mayCompress ? this.#handshake.deflateOffers : [];
    const deflate = acceptDeflate(offers, maxMessageBytes);
    const head = this.#readAcceptance(record, count, deflate?.field ?? "");
    const upgraded = head === null ? null : exchange.upgrade(head);
    if (upgraded === null) {
      this.#isRefused = true;
      send(encodeClosed(this.id, CloseCode.ABNORMAL, ""));
      this.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    exchange.listener = null;
    const { handling } = exchange;
    handling.worker = this.worker;
    handling.queuedMs = (this.takenAt - this.submittedAt) * 1000;
    handling.runMs = (monotonic() - this.takenAt) * 1000;
    const { budget } = this.#open;
    this.#messages = new ClientMessages({ id: this.id, send, budget });
    this.#connection = new WebSocketConnection(upgraded, {
      ...this.#settings,
      deflate,
      budget,
      answerMs: ANSWER_MS,
      listener: this,
    });
    this.#steer();
    this.#open.add(this);
    if (this.#isWorkerLeaving) this.#open.leave(this);
  }

  onPiece(bytes: Buffer, isText: boolean, isLast: boolean): void {
    if (this.#isRefused) return;
    if (this.#connection === null) throw new FrameFault("a message without WS_ACCEPT");
    const { length } = bytes;
    this.#connection.send(bytes, isText, isLast, (isTaken) => {
      // Nobody takes more of a connection that ends; the worker will hear of the end.
      if (!isTaken) return;
      this.#taken += length;
      if (this.#taken < CREDIT_STEP_BYTES) return;
      this.context.pool.credit(this, this.#taken);
      this.#taken = 0;
    });
  }

  onClose(code: number, reason: string, isLast: boolean): void {
    if (isLast) this.#messages?.stop();
    if (this.#connection === null) {
      this.end();
      this.exchange.fail(ERRORS.WEBSOCKET_DENIED);
      return;
    }
    if (maySend(code) || code === CloseCode.NONE) {
      this.#connection.close(code, reason);
      return;
    }
    this.context.onFault(
      this.exchange,
      `the application closed with ${code}, which is no close code`,
    );
    this.#connection.close(CloseCode.INTERNAL_ERROR, "");
  }

  /** After the acceptance only an end without a word. */
  override onBody(bytes: Buffer, isLast: boolean): void {
    if (this.#connection === null) super.onBody(bytes, isLast);
    else if (isLast && bytes.length === 0) this.onClose(CloseCode.NORMAL, "", true);
    else throw new FrameFault("a body after WS_ACCEPT");
  }

  override onLost(reason: LostReason): void {
    if (this.#connection === null) super.onLost(reason);
    else if (reason === "stopping") this.#break(CloseCode.SERVICE_RESTART, "the server stops");
    else this.#break(CloseCode.INTERNAL_ERROR, "the process ended");
  }

  override onBodyRead(bytes: number): void {
    this.#messages?.grant(bytes);
    this.#steer();
  }

  override onWorkerLeaving(): void {
    this.#isWorkerLeaving = true;
    if (this.#connection !== null) this.#open.leave(this);
  }

  onMessage(bytes: Buffer, isText: boolean): void {
    if (this.state !== "answering") return;
    this.#messages?.push(bytes, isText);
    this.#steer();
  }

  onClosed(code: number, reason: string, mayAnswer: boolean): void {
    this.#open.delete(this);
    if (this.state === "answering")
      this.#messages?.end(encodeClosed(this.id, code, reason, mayAnswer));
  }

  closeBy(code: number, reason: string): void {
    this.#connection?.close(code, reason);
  }

  protected override fail(error: HttpError): void {
    if (this.#connection === null) super.fail(error);
    else this.#break(CloseCode.INTERNAL_ERROR, "the application failed");
  }

  /** The worker's side is over. */
  #break(code: number, reason: string): void {
    this.#messages?.stop();
    this.#connection?.close(code, reason);
  }

  /** Reads from the client while there is room for its messages. */
  #steer(): void {
    if (this.#messages?.isFull === true) this.#connection?.pause();
    else this.#connection?.resume();
  }

  #readAcceptance(record: string, count: number, extensions: string): ResponseHead | null {
    try {
      return acceptanceHead(this.#handshake, decodeAcceptance(record, count, extensions));
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error;
      this.context.onFault(this.exchange, error.message);
      return null;
    }
  }
}

/** Reads `subprotocol NUL name NUL value …` with `count` fields. Throws ResponseFault. */
function decodeAcceptance(record: string, count: number, extensions: string): Acceptance {
  const { first, names, values } = splitRecord(record, count);
  const fields = names.map((name, index) => [name, values[index] ?? ""] as const);
  return { subprotocol: first, extensions, fields };
}
