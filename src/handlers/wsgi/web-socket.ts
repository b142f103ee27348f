// A WebSocket of a WSGI application that speaks the protocol by itself. Its handshake is a request like any
// other, and the worker offers the application a socket besides. If the application writes the response to a
// handshake into that socket, the front joins the socket to the client's, and frames tell only the end.
//
//   WsgiHandshake ──101 on the socket──▶ WsgiWebSocket ──the client's socket has closed──▶ over
//     ├── the socket ends without a byte: a request like any other ───────────────────────▲
//     └── anything else on the socket: refused ───────────────────────────────────────────┘
//
// Frames and the socket are two channels. The worker shuts its side of the socket before it sends a response
// in frames, and such frames wait here until the socket has been read to its end.

import type { Socket } from "node:net";

import { ERRORS } from "../../http/error.ts";
import type { Exchange } from "../../http/exchange.ts";
import { ResponseFault } from "../../http/response-head.ts";
import type { Handshake } from "../../websocket/handshake.ts";
import { WebSocketRelay, type RelayOptions } from "../../websocket/relay.ts";
import { toHttp1, toHttp2 } from "../../websocket/translated-handshake.ts";
import { readUpgradeHead, type UpgradeHead } from "../../websocket/upgrade-head.ts";
import { monotonicMs } from "../../workers/clock.ts";
import type { FilePart, LostReason } from "../../workers/job.ts";
import type { ApplicationContext } from "../python/context.ts";
import { PythonRequest } from "../python/python-request.ts";
import { PythonWebSocket, type OpenWebSockets } from "../python/web-sockets.ts";
import { WSGI } from "./request-body.ts";

/** How long a dead worker's last bytes are read, should a child of it hold the socket open. */
const LAST_BYTES_MS = 1000;
const EMPTY = Buffer.alloc(0);

/** A handshake that the application has not accepted. */
export class WsgiHandshake extends PythonRequest {
  /** As the application sees it. */
  readonly #handshake: Handshake;
  /** Whether the client's handshake is one of HTTP/2. */
  readonly #isTranslated: boolean;
  readonly #open: OpenWebSockets;
  /** Not null while the application may write into it. */
  #socket: Socket | null = null;
  #received: Buffer = EMPTY;
  /** Frames that came while it may: calls that give them to the request. */
  #heldFrames: (() => void)[] = [];
  /** Text of a FAULT among them; empty: the application has used its socket, and did not fail. */
  #heldFault = "";

  constructor(
    exchange: Exchange,
    context: ApplicationContext,
    handshake: Handshake,
    open: OpenWebSockets,
  ) {
    super(exchange, context, WSGI, true);
    this.#isTranslated = handshake.key === null;
    if (this.#isTranslated) {
      const http1 = toHttp1(exchange.effectiveHead, handshake);
      exchange.effectiveHead = http1.head;
      this.#handshake = http1.handshake;
    } else this.#handshake = handshake;
    this.#open = open;
  }

  /** The worker offers the application a socket; once more if the request is run a second time. */
  onSocket(socket: Socket): void {
    this.#leaveSocket();
    const { openFiles } = this.context;
    openFiles.opening();
    openFiles.opened();
    socket.once("close", () => {
      openFiles.closing();
      openFiles.closed();
    });
    this.#socket = socket;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onEnd);
  }

  override onHead(record: string, count: number, bytes: Buffer, isWhole: boolean): void {
    if (this.#socket === null) {
      super.onHead(record, count, bytes, isWhole);
      return;
    }
    const copy = Buffer.from(bytes);
    this.#heldFrames.push(() => super.onHead(record, count, copy, isWhole));
  }

  override onBody(bytes: Buffer, isLast: boolean): void {
    if (this.#socket === null) super.onBody(bytes, isLast);
    else this.#heldFrames.push(() => super.onBody(bytes, isLast));
  }

  override onFile(
    record: string,
    count: number,
    part: FilePart,
    tell: (isOpen: boolean) => boolean,
  ): void {
    if (this.#socket === null) super.onFile(record, count, part, tell);
    else this.#heldFrames.push(() => super.onFile(record, count, part, tell));
  }

  override onFault(text: string): void {
    if (this.#socket === null) {
      super.onFault(text);
      return;
    }
    this.#heldFault = text;
    this.#heldFrames.push(() => super.onFault(text));
  }

  protected override end(): void {
    this.#leaveSocket();
    super.end();
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
      this.#refuse("the application closed its socket inside the response to the handshake");
      return;
    }
    const held = this.#heldFrames;
    this.#leaveSocket();
    for (const give of held) give();
  };

  #upgrade({ head, length }: UpgradeHead): void {
    const { job, context, exchange } = this;
    const socket = this.#socket;
    const upgraded = this.upgrade(this.#isTranslated ? toHttp2(head) : head);
    if (socket === null || upgraded === null) {
      this.abandon();
      return;
    }
    const first = this.#received.subarray(length);
    const fault = this.#heldFault;
    this.#forgetSocket(socket);
    if (fault !== "") context.onFault(exchange, fault);
    if (job.state === "queued") job.detach(monotonicMs());
    // A response in frames has begun, which nobody takes.
    else context.pool.cancel(job);
    new WsgiWebSocket(this, this.#open).relay({ upgraded, application: socket, first });
  }

  /** The bytes on the socket are not the response to this handshake. */
  #refuse(text: string): void {
    this.context.onFault(this.exchange, text);
    this.context.pool.cancel(this.job);
    this.fail(ERRORS.RESPONSE_INVALID);
  }

  #leaveSocket(): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#forgetSocket(socket);
    socket.destroy();
  }

  #forgetSocket(socket: Socket): void {
    this.#socket = null;
    this.#received = EMPTY;
    this.#heldFrames = [];
    this.#heldFault = "";
    socket.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onEnd);
  }
}

class WsgiWebSocket extends PythonWebSocket {
  #relay: WebSocketRelay | null = null;

  /** Joins the application's socket to the client's. */
  relay(options: Omit<RelayOptions, "onClosed">): void {
    this.#relay = new WebSocketRelay({ ...options, onClosed: () => this.closed() });
    this.opened();
  }

  close(code: number, reason: string): void {
    this.#relay?.close(code, reason);
  }

  onFault(text: string): void {
    // An empty text: the application has used its socket, and did not fail.
    if (text !== "") this.request.context.onFault(this.request.exchange, text);
  }

  override onLost(reason: LostReason): void {
    if (reason === "stopping") super.onLost(reason);
    else setTimeout(() => super.onLost(reason), LAST_BYTES_MS).unref();
  }
}
