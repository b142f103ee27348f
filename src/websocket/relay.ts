// A WebSocket between a client and an application that speaks the protocol itself: bytes are passed on
// unchanged, both ways, with backpressure. The relay only follows where frames end: it inserts a close frame
// between two frames of the application, and knows when the closing handshake is complete (RFC 6455 §7).
//
//   open ──a close frame to the client, the application's or ours──▶ closing ──the client's──▶ ending
//    │                                                                  │                        │
//    └── the client's stream has closed ────────────────────────────────┴──▶ closed ◀────────────┘
//
// closing: the application's bytes are dropped; the client's go to the application as far as its close frame.
// ending: both close frames are sent; later bytes of the client are dropped.

import type { Duplex } from "node:stream";

import type { UpgradedStream } from "../http/exchange.ts";
import { detachBuffer } from "../net/buffer-pool.ts";
import { LingeringClose } from "../net/lingering-close.ts";
import { CloseCode, maySend, type CloseStatus } from "./close-code.ts";
import { FrameBoundaries } from "./frame-boundaries.ts";
import { encodeClose } from "./frame.ts";
import { CLOSE_TIMEOUT_MS, RELAY_BYTES, RELAY_STALLED_MS } from "./limits.ts";

export interface RelayOptions {
  readonly upgraded: UpgradedStream;
  /** The application's socket; its "error" events are the caller's to handle. */
  readonly application: Duplex;
  /** Bytes of the application behind the head of its response. */
  readonly first: Buffer;
  /** Called once, when the client's stream has closed. */
  readonly onClosed: () => void;
  readonly closeTimeoutMs?: number;
  readonly stalledMs?: number;
}

export class WebSocketRelay {
  readonly #client: Duplex;
  readonly #application: Duplex;
  readonly #onClosed: () => void;
  readonly #lingering: LingeringClose;
  readonly #closeTimeoutMs: number;
  readonly #stalledMs: number;
  readonly #clientFrames = new FrameBoundaries();
  readonly #applicationFrames = new FrameBoundaries();
  #state: "open" | "closing" | "ending" | "closed" = "open";
  /** The close frame to insert at the end of the application's current frame. */
  #pendingClose: CloseStatus | null = null;
  /** Whether bytes of the client were dropped: no later ones may go to the application. */
  #hasGap = false;
  /** Limits the time of the current step of the closing handshake. */
  #closeTimer: NodeJS.Timeout | undefined;
  /** Runs while RELAY_BYTES wait for the client, and starts again with each write that the client takes. */
  #stallTimer: NodeJS.Timeout | undefined;

  constructor(options: RelayOptions) {
    const { upgraded, application, first } = options;
    const client = upgraded.stream;
    this.#client = client;
    this.#application = application;
    this.#onClosed = options.onClosed;
    this.#lingering = new LingeringClose(client);
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    this.#stalledMs = options.stalledMs ?? RELAY_STALLED_MS;
    client.on("data", (chunk: Buffer) => this.#onClientBytes(chunk));
    client.on("end", () => this.#onClientEnd());
    client.on("close", () => this.#onClientClosed());
    application.on("data", (chunk: Buffer) => this.#onApplicationBytes(chunk));
    application.on("end", () => this.#onApplicationEnd());
    application.on("close", () => this.#onApplicationEnd());
    const ahead = upgraded.takeAhead();
    if (ahead.length > 0) this.#onClientBytes(ahead);
    if (first.length > 0) this.#onApplicationBytes(first);
    // The stream may have ended before the listener was attached.
    if (client.readableEnded) this.#onClientEnd();
    if (client.destroyed) process.nextTick(() => this.#onClientClosed());
  }

  /**
   * Closes the WebSocket in the application's stead, between two of its frames; later bytes of the application
   * are dropped. Does nothing if a close frame has been sent. `code`: one that may be sent, or 1005 for none.
   */
  close(code: number, reason: string): void {
    if (this.#state !== "open" || this.#pendingClose !== null) return;
    this.#pendingClose = { code, reason };
    this.#limitStep();
    if (this.#applicationFrames.isAtBoundary) this.#sendClose(this.#pendingClose);
  }

  #onClientBytes(chunk: Buffer): void {
    if (this.#state === "ending" || this.#state === "closed") {
      this.#lingering.drop(chunk.length);
      return;
    }
    const hadClosed = this.#clientFrames.hasClosed;
    this.#passToApplication(chunk.subarray(0, this.#clientFrames.read(chunk)));
    if (hadClosed || !this.#clientFrames.hasClosed) return;
    if (this.#state === "closing") this.#end();
    // The application should reply with a close frame; if it does not, we do.
    else this.#limitStep(() => this.close(this.#replyCode, ""));
  }

  /** `bytes` are valid during the call only. */
  #passToApplication(bytes: Buffer): void {
    const application = this.#application;
    if (bytes.length === 0 || this.#hasGap || !application.writable) return;
    if (this.#state === "closing" && application.writableLength >= RELAY_BYTES) {
      this.#hasGap = true;
      return;
    }
    const copy = Buffer.from(bytes);
    application.write(copy, (error) => {
      if (error !== null && error !== undefined) return;
      detachBuffer(copy);
      if (application.writableLength < RELAY_BYTES) this.#client.resume();
    });
    // While closing, the client's close frame has to be found behind the bytes that wait.
    if (application.writableLength >= RELAY_BYTES && this.#state === "open") this.#client.pause();
  }

  #onClientEnd(): void {
    if (this.#state === "closing") this.#end();
    else if (this.#state === "open") this.#application.end();
  }

  #onClientClosed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#closeTimer);
    clearTimeout(this.#stallTimer);
    this.#application.destroy();
    this.#onClosed();
  }

  #onApplicationBytes(chunk: Buffer): void {
    if (this.#state !== "open") return;
    const frames = this.#applicationFrames;
    const end = frames.read(chunk, this.#pendingClose !== null);
    this.#passToClient(chunk.subarray(0, end));
    if (frames.hasClosed) this.#onCloseSent();
    else if (this.#pendingClose !== null && frames.isAtBoundary)
      this.#sendClose(this.#pendingClose);
  }

  #passToClient(bytes: Buffer): void {
    const client = this.#client;
    if (bytes.length === 0) return;
    client.write(bytes, () => this.#onClientTook());
    if (client.writableLength < RELAY_BYTES) return;
    this.#application.pause();
    this.#stallTimer ??= setTimeout(() => client.destroy(), this.#stalledMs).unref();
  }

  #onClientTook(): void {
    if (this.#stallTimer === undefined) return;
    if (this.#client.writableLength >= RELAY_BYTES) {
      this.#stallTimer.refresh();
      return;
    }
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    this.#application.resume();
  }

  #onApplicationEnd(): void {
    // All bytes that the application wrote have been read; the application reads no more.
    this.#application.destroy();
    if (this.#state !== "open") return;
    const clientHasClosed = this.#clientFrames.hasClosed;
    const clientHasVanished = this.#client.readableEnded && !clientHasClosed;
    // A client that ended without a close frame expects none, and inside a frame none can be sent.
    if (clientHasVanished || !this.#applicationFrames.isAtBoundary) this.#end();
    else if (clientHasClosed) this.#sendClose({ code: this.#replyCode, reason: "" });
    else this.#sendClose({ code: CloseCode.INTERNAL_ERROR, reason: "the application ended" });
  }

  /** The code of our reply to the client's close frame: its own, if it may be sent. RFC 6455 §5.5.1. */
  get #replyCode(): number {
    const { closeCode } = this.#clientFrames;
    const mayReply = maySend(closeCode) || closeCode === CloseCode.NONE;
    return mayReply ? closeCode : CloseCode.PROTOCOL_ERROR;
  }

  #sendClose({ code, reason }: CloseStatus): void {
    this.#client.write(encodeClose(code, reason));
    this.#onCloseSent();
  }

  /** A close frame is on its way to the client, the application's or ours. */
  #onCloseSent(): void {
    this.#state = "closing";
    this.#limitStep();
    // The application's bytes are read and dropped: it must not block on a client that takes no more.
    this.#application.resume();
    this.#client.resume();
    if (this.#clientFrames.hasClosed || this.#client.readableEnded) this.#end();
  }

  /** Begins a step of the closing handshake, which is cut by default if it takes too long. */
  #limitStep(onTimeout: () => void = () => this.#client.destroy()): void {
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(onTimeout, this.#closeTimeoutMs).unref();
  }

  /** Both close frames are sent, or none can be. */
  #end(): void {
    this.#state = "ending";
    this.#limitStep();
    this.#application.end();
    this.#client.end();
    this.#client.resume();
  }
}
