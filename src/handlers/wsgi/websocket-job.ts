// A WebSocket handshake for a WSGI application. It is a request like any other, and its worker offers the
// application a socket besides: if the application writes a handshake's answer into that, the front joins
// the socket to the client's, and what the application says in the ordinary way counts no more.
//
//   asking ──101 on the socket──▶ relayed ──the client's socket has closed──▶ over
//     ├── the socket ends unused: as for any request ────────────────────────▲
//     └── anything else on the socket: refused ──────────────────────────────┘
//
// Frames and the socket are two ways: an ordinary answer comes after the worker has shut its side of the
// socket, and waits here until that end has been read.

import type { Socket } from "node:net";

import { ERRORS } from "../../http/error.ts";
import type { Exchange } from "../../http/exchange.ts";
import { ResponseFault } from "../../http/response-head.ts";
import { CloseCode } from "../../websocket/close-code.ts";
import type { Handshake } from "../../websocket/handshake.ts";
import { WebSocketRelay } from "../../websocket/relay.ts";
import { readUpgradeHead, type UpgradeHead } from "../../websocket/upgrade-head.ts";
import { monotonic } from "../../workers/clock.ts";
import type { LostReason } from "../../workers/job.ts";
import type { ApplicationContext } from "../python/context.ts";
import type { OpenWebSocket, OpenWebSockets } from "../python/open-web-sockets.ts";
import { WsgiJob } from "./wsgi-job.ts";

/** A dead worker's last bytes are read for so long, should a child of it hold the socket open. */
const LAST_BYTES_MS = 1000;
const EMPTY = Buffer.alloc(0);

export class WsgiWebSocketJob extends WsgiJob implements OpenWebSocket {
  readonly #handshake: Handshake;
  readonly #open: OpenWebSockets;
  /** While it may come to be used: nothing is decided. */
  #socket: Socket | null = null;
  #received: Buffer = EMPTY;
  /** What frames have told meanwhile. */
  #held: (() => void)[] = [];
  #relay: WebSocketRelay | null = null;
  #isWorkerLeaving = false;

  constructor(
    exchange: Exchange,
    context: ApplicationContext,
    handshake: Handshake,
    open: OpenWebSockets,
  ) {
    super(exchange, context);
    this.#handshake = handshake;
    this.#open = open;
  }

  override get isWebSocket(): boolean {
    return true;
  }

  override onSocket(socket: Socket): void {
    // It may be run for the second time.
    this.#leaveSocket();
    this.#socket = socket;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onEnd);
  }

  override onHead(record: string, count: number, bytes: Buffer, isWhole: boolean): void {
    if (this.#socket !== null) {
      const copy = Buffer.from(bytes);
      this.#held.push(() => this.onHead(record, count, copy, isWhole));
    } else if (this.#relay === null) super.onHead(record, count, bytes, isWhole);
    else if (!isWhole) this.context.pool.cancel(this);
  }

  override onBody(bytes: Buffer, isLast: boolean): void {
    if (this.#socket !== null) this.#held.push(() => this.onBody(bytes, isLast));
    else if (this.#relay === null) super.onBody(bytes, isLast);
  }

  /** An empty text: the application has used its socket, and has nothing to tell. */
  override onFault(text: string): void {
    if (this.#socket !== null) this.#held.push(() => this.onFault(text));
    else if (this.#relay === null) super.onFault(text);
    else if (text !== "") this.context.onFault(this.exchange, text);
  }

  override onLost(reason: LostReason): void {
    const relay = this.#relay;
    if (relay === null) super.onLost(reason);
    else if (reason === "stopping") relay.close(CloseCode.SERVICE_RESTART, "the server stops");
    else
      setTimeout(() => {
        relay.close(CloseCode.INTERNAL_ERROR, "the process ended");
      }, LAST_BYTES_MS).unref();
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

  override onWorkerLeaving(): void {
    this.#isWorkerLeaving = true;
    if (this.#relay !== null) this.#open.leave(this);
  }

  closeBy(code: number, reason: string): void {
    this.#relay?.close(code, reason);
  }

  protected override release(): void {
    super.release();
    this.#held = [];
    this.#leaveSocket();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    try {
      const upgrade = readUpgradeHead(this.#received, this.#handshake);
      if (upgrade !== null) this.#upgrade(upgrade);
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error;
      this.#refuse(error.message);
    }
  };

  readonly #onEnd = (): void => {
    if (this.#received.length > 0) {
      this.#refuse("the application closed its socket inside the handshake's answer");
      return;
    }
    this.#leaveSocket();
    this.#tellHeld();
  };

  #upgrade({ head, length }: UpgradeHead): void {
    const { exchange } = this;
    const socket = this.#socket;
    const upgraded = exchange.upgrade(head);
    if (socket === null || upgraded === null) {
      this.abandon();
      return;
    }
    exchange.listener = null;
    const { handling } = exchange;
    handling.worker = this.worker;
    handling.queuedMs = (this.takenAt - this.submittedAt) * 1000;
    handling.runMs = (monotonic() - this.takenAt) * 1000;
    this.#forget(socket);
    this.hasOwnSocket = true;
    // From here on no deadline counts; the last frame may have come already.
    if (this.state === "queued") this.state = "answering";
    this.#relay = new WebSocketRelay({
      upgraded,
      application: socket,
      first: this.#received.subarray(length),
      onClosed: () => this.#open.delete(this),
    });
    this.#received = EMPTY;
    this.#open.add(this);
    if (this.#isWorkerLeaving) this.#open.leave(this);
    this.#tellHeld();
  }

  /** What came on the socket is not the answer to this handshake. */
  #refuse(text: string): void {
    this.context.onFault(this.exchange, text);
    this.context.pool.cancel(this);
    this.fail(ERRORS.RESPONSE_INVALID);
  }

  #tellHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const tell of held) tell();
  }

  #leaveSocket(): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#forget(socket);
    this.#received = EMPTY;
    socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#socket = null;
    socket.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onEnd);
  }
}
