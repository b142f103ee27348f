// A WebSocket between a client and an application that speaks the protocol by itself: bytes go both ways
// as they are, with backpressure. Of frames only their borders are seen, so that a close frame of ours can
// stand between two of the application's, and the end of the closing handshake is known (RFC 6455 §7).
//
//   open ──a close frame for the client, the application's or ours──▶ closing ──the client's──▶ ending
//    │                                                                  │                        │
//    └── the client's socket has closed ────────────────────────────────┴──▶ closed ◀────────────┘
//
// closing: nothing of the application goes to the client any more; the client's answer goes to the
// application. ending: all is said; what still comes is dropped for a while.

import type { Duplex } from "node:stream";

import type { UpgradedStream } from "../http/exchange.ts";
import { detachBuffer } from "../net/detach-buffer.ts";
import { CloseCode, maySend } from "./close-code.ts";
import { FrameBorders } from "./frame-borders.ts";
import {
  CLOSE_TIMEOUT_MS,
  LINGER_BYTES,
  LINGER_MS,
  RELAY_BYTES,
  RELAY_STALLED_MS,
} from "./limits.ts";
import { encodeClose } from "./server-frame.ts";

export interface RelayOptions {
  readonly upgraded: UpgradedStream;
  /** The application's socket, whose errors somebody else hears. */
  readonly application: Duplex;
  /** What was read of it behind the head of its answer. */
  readonly first: Buffer;
  /** The client's socket has closed; once. */
  readonly onClosed: () => void;
  readonly closeTimeoutMs?: number;
  readonly stalledMs?: number;
}

interface Farewell {
  readonly code: number;
  readonly reason: string;
}

export class WebSocketRelay {
  readonly #client: Duplex;
  readonly #application: Duplex;
  readonly #onClosed: () => void;
  readonly #closeTimeoutMs: number;
  readonly #stalledMs: number;
  readonly #fromClient = new FrameBorders();
  readonly #fromApplication = new FrameBorders();
  #state: "open" | "closing" | "ending" | "closed" = "open";
  /** What is said at the next border. */
  #farewell: Farewell | null = null;
  /** Bytes of the client were dropped: none that come later may go to the application. */
  #hasGap = false;
  #lateBytes = 0;
  #deadline: NodeJS.Timeout | undefined;
  #stall: NodeJS.Timeout | undefined;

  constructor(options: RelayOptions) {
    const { upgraded, application, first } = options;
    const client = upgraded.stream;
    this.#client = client;
    this.#application = application;
    this.#onClosed = options.onClosed;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    this.#stalledMs = options.stalledMs ?? RELAY_STALLED_MS;
    client.on("data", (chunk: Buffer) => this.#onClientBytes(chunk));
    client.on("end", () => this.#onClientEnd());
    client.on("finish", () => this.#after(LINGER_MS, () => this.cut()));
    client.on("close", () => this.#onClientGone());
    application.on("data", (chunk: Buffer) => this.#onApplicationBytes(chunk));
    application.on("end", () => this.#onApplicationEnd());
    application.on("close", () => this.#onApplicationEnd());
    if (upgraded.ahead.length > 0) this.#onClientBytes(upgraded.ahead);
    if (first.length > 0) this.#onApplicationBytes(first);
    // It may have ended before we could hear it.
    if (client.readableEnded) this.#onClientEnd();
    if (client.destroyed) process.nextTick(() => this.#onClientGone());
  }

  /**
   * Closes the WebSocket in the application's stead, between two of its frames; nothing that it sends
   * afterwards counts. `code`: one that may be sent, or 1005 for none. Nothing happens where a close frame has gone.
   */
  close(code: number, reason: string): void {
    if (this.#state !== "open" || this.#farewell !== null) return;
    this.#farewell = { code, reason };
    this.#after(this.#closeTimeoutMs, () => this.cut());
    if (this.#fromApplication.isAtBorder) this.#say(this.#farewell);
  }

  /** Ends the connection at once. */
  cut(): void {
    this.#client.destroy();
  }

  #onClientBytes(chunk: Buffer): void {
    if (this.#state === "ending" || this.#state === "closed") {
      this.#lateBytes += chunk.length;
      if (this.#lateBytes > LINGER_BYTES) this.cut();
      return;
    }
    const hadClosed = this.#fromClient.hasClosed;
    this.#giveApplication(chunk.subarray(0, this.#fromClient.read(chunk)));
    if (hadClosed || !this.#fromClient.hasClosed) return;
    if (this.#state === "closing") this.#finish();
    // The application's to answer; where it does not, we do.
    else this.#after(this.#closeTimeoutMs, () => this.close(this.#clientCode, ""));
  }

  /** The bytes are valid during the call only. */
  #giveApplication(bytes: Buffer): void {
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
    // The client's close frame has to be found, behind whatever waits.
    if (application.writableLength >= RELAY_BYTES && this.#state === "open") this.#client.pause();
  }

  #onClientEnd(): void {
    if (this.#state === "closing") this.#finish();
    else if (this.#state === "open") this.#application.end();
  }

  #onClientGone(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#deadline);
    clearTimeout(this.#stall);
    this.#application.destroy();
    this.#onClosed();
  }

  #onApplicationBytes(chunk: Buffer): void {
    if (this.#state !== "open") return;
    const end = this.#fromApplication.read(chunk, this.#farewell !== null);
    this.#giveClient(chunk.subarray(0, end));
    if (this.#fromApplication.hasClosed) this.#onSaid();
    else if (this.#farewell !== null && this.#fromApplication.isAtBorder) this.#say(this.#farewell);
  }

  #giveClient(bytes: Buffer): void {
    const client = this.#client;
    if (bytes.length === 0) return;
    client.write(bytes, () => this.#onClientTook());
    if (client.writableLength < RELAY_BYTES) return;
    this.#application.pause();
    this.#stall ??= setTimeout(() => this.cut(), this.#stalledMs).unref();
  }

  #onClientTook(): void {
    if (this.#stall === undefined) return;
    if (this.#client.writableLength >= RELAY_BYTES) {
      this.#stall.refresh();
      return;
    }
    clearTimeout(this.#stall);
    this.#stall = undefined;
    this.#application.resume();
  }

  #onApplicationEnd(): void {
    // All that it wrote has been read; what it has not read it never will.
    this.#application.destroy();
    if (this.#state !== "open") return;
    const hasLeft = this.#client.readableEnded && !this.#fromClient.hasClosed;
    // Inside a frame nothing can be said; who has left without a word is told none.
    if (hasLeft || !this.#fromApplication.isAtBorder) this.#finish();
    else if (this.#fromClient.hasClosed) this.#say({ code: this.#clientCode, reason: "" });
    else this.#say({ code: CloseCode.INTERNAL_ERROR, reason: "the application ended" });
  }

  /** What answers the client's close frame. RFC 6455 §5.5.1: as a rule its own code. */
  get #clientCode(): number {
    const { closeCode } = this.#fromClient;
    return maySend(closeCode) || closeCode === CloseCode.NONE
      ? closeCode
      : CloseCode.PROTOCOL_ERROR;
  }

  #say({ code, reason }: Farewell): void {
    this.#client.write(encodeClose(code, reason));
    this.#onSaid();
  }

  /** A close frame is on its way to the client. */
  #onSaid(): void {
    this.#state = "closing";
    this.#after(this.#closeTimeoutMs, () => this.cut());
    // What it still sends is dropped: it must not wait for a client that takes no more.
    this.#application.resume();
    this.#client.resume();
    if (this.#fromClient.hasClosed || this.#client.readableEnded) this.#finish();
  }

  #finish(): void {
    this.#state = "ending";
    this.#after(this.#closeTimeoutMs, () => this.cut());
    this.#application.end();
    this.#client.end();
    this.#client.resume();
  }

  #after(ms: number, act: () => void): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(act, ms).unref();
  }
}
