// A WebSocket of an ASGI application. Until the application accepts, it is a request like any other, with its
// deadline and its responses. Then the front speaks the protocol with the client, and whole messages go both
// ways until one side closes. The worker hears once how the connection ended, and sends the job's last frame.
//
//   AsgiHandshake ──WS_ACCEPT──▶ AsgiWebSocket ──the client, the application, the worker's end──▶ over
//      └── denied by WS_CLOSE, a response, a fault, lost: as HTTP responds ────────────────────────▲

import { ERRORS } from "../../http/error.ts";
import type { Exchange, UpgradedStream } from "../../http/exchange.ts";
import { BudgetShare } from "../../net/budget-share.ts";
import { CloseCode, maySend } from "../../websocket/close-code.ts";
import {
  MESSAGE_SHARE,
  WebSocketConnection,
  type WebSocketListener,
  type WebSocketSettings,
} from "../../websocket/connection.ts";
import { acceptDeflate, type Deflate } from "../../websocket/deflate.ts";
import { acceptanceHead, type Acceptance, type Handshake } from "../../websocket/handshake.ts";
import { ANSWER_MS } from "../../websocket/limits.ts";
import { FrameFault } from "../../workers/frame.ts";
import type { LostReason } from "../../workers/job.ts";
import type { WebSocketLink } from "../../workers/web-socket-link.ts";
import type { ApplicationContext } from "../python/context.ts";
import { PythonRequest } from "../python/python-request.ts";
import { splitRecord } from "../python/response-record.ts";
import { PythonWebSocket, type OpenWebSockets } from "../python/web-sockets.ts";
import { ClientMessages } from "./client-messages.ts";
import { MessageWindow } from "./message-window.ts";
import { ASGI } from "./request-body.ts";

/** A handshake that the application has not accepted or denied. */
export class AsgiHandshake extends PythonRequest {
  readonly #handshake: Handshake;
  readonly #open: OpenWebSockets;
  readonly #settings: WebSocketSettings;

  constructor(
    exchange: Exchange,
    context: ApplicationContext,
    handshake: Handshake,
    open: OpenWebSockets,
    settings: WebSocketSettings,
  ) {
    super(exchange, context, ASGI, true);
    exchange.scheme = exchange.scheme === "https" ? "wss" : "ws";
    this.#handshake = handshake;
    this.#open = open;
    this.#settings = settings;
  }

  onAccept(record: string, count: number, link: WebSocketLink): void {
    const { mayCompress, maxMessageBytes } = this.#settings;
    const offers = mayCompress ? this.#handshake.deflateOffers : [];
    const deflate = acceptDeflate(offers, maxMessageBytes);
    const acceptance = (): Acceptance => decodeAcceptance(record, count, deflate?.field ?? "");
    const head = this.parse(() => acceptanceHead(this.#handshake, acceptance()));
    const upgraded = head === null ? null : this.upgrade(head);
    if (upgraded === null) {
      link.sendClosed(CloseCode.ABNORMAL, "");
      this.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    const webSocket = new AsgiWebSocket(this, this.#open, link);
    webSocket.connect(upgraded, deflate, this.#settings);
  }

  onPiece(): void {
    // After an acceptance that could not be sent the worker has yet to hear that there is no connection.
    if (!this.exchange.isFinished) throw new FrameFault("a message without WS_ACCEPT");
  }

  onClose(): void {
    this.fail(ERRORS.WEBSOCKET_DENIED);
  }
}

class AsgiWebSocket extends PythonWebSocket implements WebSocketListener {
  readonly #share: BudgetShare;
  readonly #messages: ClientMessages;
  readonly #window: MessageWindow;
  #connection: WebSocketConnection | null = null;

  constructor(request: PythonRequest, open: OpenWebSockets, link: WebSocketLink) {
    super(request, open);
    const { context, job } = request;
    this.#share = new BudgetShare(open.budget, MESSAGE_SHARE);
    this.#messages = new ClientMessages(link, this.#share);
    this.#window = new MessageWindow(open.outgoing, (bytes) => context.pool.credit(job, bytes));
  }

  /** Speaks the protocol with the client. Messages that came behind the handshake are heard at once. */
  connect(upgraded: UpgradedStream, deflate: Deflate | null, settings: WebSocketSettings): void {
    this.#connection = new WebSocketConnection(upgraded, {
      ...settings,
      deflate,
      share: this.#share,
      answerMs: ANSWER_MS,
      listener: this,
    });
    this.#steer();
    this.opened();
  }

  close(code: number, reason: string): void {
    this.#connection?.close(code, reason);
  }

  onPiece(bytes: Buffer, isText: boolean, isLast: boolean): void {
    const { length } = bytes;
    // A connection that ends takes no more; the worker will hear of the end.
    this.#connection?.send(bytes, isText, isLast, (isTaken) => {
      if (isTaken) this.#window.take(length);
    });
  }

  onClose(code: number, reason: string, isLast: boolean): void {
    if (isLast) this.#messages.stop();
    if (maySend(code) || code === CloseCode.NONE) {
      this.close(code, reason);
      return;
    }
    const { context, exchange } = this.request;
    context.onFault(exchange, `the application closed with ${code}, which is no close code`);
    this.close(CloseCode.INTERNAL_ERROR, "");
  }

  /** The only body of a WebSocket is an empty last one: the application has ended without a close. */
  onBody(bytes: Buffer, isLast: boolean): void {
    if (!isLast || bytes.length > 0) throw new FrameFault("a body after WS_ACCEPT");
    this.onClose(CloseCode.NORMAL, "", true);
  }

  onBodyRead(bytes: number): void {
    this.#messages.grant(bytes);
    this.#steer();
  }

  onFault(text: string): void {
    this.request.context.onFault(this.request.exchange, text);
    this.#messages.stop();
    this.close(CloseCode.INTERNAL_ERROR, "the application failed");
  }

  override onLost(reason: LostReason): void {
    this.#messages.stop();
    super.onLost(reason);
  }

  onMessage(bytes: Buffer, isText: boolean): void {
    if (this.request.job.state !== "responding") return;
    this.#messages.push(bytes, isText);
    this.#steer();
  }

  onClosed(code: number, reason: string, mayAnswer: boolean): void {
    this.closed();
    this.#window.close();
    if (this.request.job.state === "responding") this.#messages.end(code, reason, mayAnswer);
  }

  /** Reads from the client while the worker has room for its messages. */
  #steer(): void {
    if (this.#messages.isFull) this.#connection?.pause();
    else this.#connection?.resume();
  }
}

/** Reads `subprotocol NUL name NUL value …` with `count` fields. Throws ResponseFault. */
function decodeAcceptance(record: string, count: number, extensions: string): Acceptance {
  const { first, names, values } = splitRecord(record, count);
  const fields = names.map((name, index) => [name, values[index] ?? ""] as const);
  return { subprotocol: first, extensions, fields };
}
