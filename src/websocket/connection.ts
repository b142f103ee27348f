// One WebSocket on a socket that HTTP has left (RFC 6455 §5 … §7): whole messages in, pieces of messages
// out, control frames answered, and one word about how it ended. How many frames may come, and when the
// connection ends, is decided here.
//
//   open ──close()──▶ closing ──the client's close frame─────▶ ending ──both sides closed──▶ closed
//    │                   │                                      ▲   │                         ▲
//    ├── the client's close frame ─▶ answering ──close(),───────┤   └──────── timeout ────────┤
//    ├── what it may not send ─────▶            timeout         │                             │
//    └───────────────────┴── the socket has closed, timeout, nothing comes or goes ───────────┘
//
// closing: our close frame is out; messages are still taken as long as there is room for them. answering:
// nothing more is read, what came before may still be answered (RFC 6455 §5.5.1); then our close frame
// follows. ending: all is said; what still comes is dropped for a while, so that the client reads it.

import type { Duplex } from "node:stream";

import type { UpgradedStream } from "../http/exchange.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { CloseCode } from "./close-code.ts";
import type { Deflate } from "./deflate.ts";
import { Farewell } from "./farewell.ts";
import { FrameRate } from "./frame-rate.ts";
import { FrameReader, type FrameListener } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { Heartbeat, type Pulse } from "./heartbeat.ts";
import { Inflow } from "./inflow.ts";
import { CLOSE_TIMEOUT_MS, MAX_CONTROL_FRAMES_PER_SECOND, MAX_MESSAGE_BYTES } from "./limits.ts";
import { Pongs } from "./pongs.ts";
import type { WebSocketSettings } from "./settings.ts";
import { UnfinishedMessage } from "./unfinished-message.ts";

/** Bytes of a client's control frame around its payload. */
const CONTROL_FRAME_BYTES = 6;

export interface WebSocketListener {
  /** A whole message; the bytes are the listener's. */
  onMessage(bytes: Buffer, isText: boolean): void;
  /**
   * Nothing more will come. The client's code; ours where it did what it may not; 1006: cut. Once, or first
   * with `mayAnswer`, so that what came before can be answered until `close`, and again if that ends otherwise.
   */
  onClosed(code: number, reason: string, mayAnswer: boolean): void;
}

export interface WebSocketOptions extends Partial<WebSocketSettings> {
  readonly deflate: Deflate | null;
  /** Shared by all connections, for their unfinished messages. */
  readonly budget: MemoryBudget;
  readonly listener: WebSocketListener;
  readonly closeTimeoutMs?: number;
  /** How long what came before the client's last frame may be answered; missing: not at all. */
  readonly answerMs?: number;
}

export class WebSocketConnection implements Pulse {
  readonly #upgraded: UpgradedStream;
  readonly #socket: Duplex;
  readonly #listener: WebSocketListener;
  readonly #deflate: Deflate | null;
  readonly #writer: FrameWriter;
  readonly #pongs: Pongs;
  readonly #inflow: Inflow;
  readonly #heartbeat: Heartbeat;
  readonly #farewell: Farewell;
  readonly #closeTimeoutMs: number;
  readonly #answerMs: number;
  readonly #controlFrames = new FrameRate(MAX_CONTROL_FRAMES_PER_SECOND);
  readonly #unfinished: UnfinishedMessage;
  #state: "open" | "closing" | "answering" | "ending" | "closed" = "open";
  /** What the listener was told. */
  #told: { readonly code: number; readonly reason: string } | null = null;
  /** A message was dropped: none that comes later may be taken. */
  #hasGap = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(upgraded: UpgradedStream, options: WebSocketOptions) {
    const { deflate, budget, listener } = options;
    const socket = upgraded.stream;
    this.#upgraded = upgraded;
    this.#socket = socket;
    this.#listener = listener;
    this.#deflate = deflate;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    this.#answerMs = options.answerMs ?? 0;
    this.#unfinished = new UnfinishedMessage(budget);
    this.#writer = new FrameWriter(socket, deflate);
    this.#pongs = new Pongs(socket, this.#writer);
    this.#farewell = new Farewell(socket, this.#writer);
    this.#inflow = new Inflow({
      socket,
      reader: this.#openReader(options.maxMessageBytes ?? MAX_MESSAGE_BYTES),
      onEnd: () => this.cut(),
    });
    this.#heartbeat = new Heartbeat(this, options);
    this.#hearSocket();
    if (upgraded.ahead.length > 0) this.#onData(upgraded.ahead);
    // It may have ended before we could hear it.
    if (socket.readableEnded) this.#inflow.end();
    if (socket.destroyed) process.nextTick(() => this.#onClose());
  }

  get isDeaf(): boolean {
    return this.#inflow.isHeld;
  }

  get isWaiting(): boolean {
    return this.#socket.writableLength > 0;
  }

  get bytesSent(): number {
    return this.#upgraded.bytesSent;
  }

  /**
   * Sends a piece of a message, whose bytes are valid during the call only. `onDone` says whether the
   * client has taken it; false: it never will.
   */
  send(piece: Buffer, isText: boolean, isLast: boolean, onDone: (isTaken: boolean) => void): void {
    if (this.#state !== "open" && this.#state !== "answering") {
      process.nextTick(onDone, false);
      return;
    }
    this.#writer.send(piece, isText, isLast, onDone);
  }

  /**
   * Stops reading: whoever hears the messages has enough. What has been read already still comes, as far
   * as the next frame that has to be inflated.
   */
  pause(): void {
    if (this.#state === "open") this.#inflow.hold();
    else this.#hasGap = true;
  }

  resume(): void {
    if (!this.#inflow.isHeld) return;
    this.#heartbeat.hear();
    this.#inflow.resume();
  }

  /**
   * Begins the closing handshake. `code`: one that may be sent (`maySend`), or 1005 for none. Messages
   * that come until the client answers are dropped from the first on for which there is no room. Where
   * the client has ended it: all is answered, and it gets the close frame that is due to it.
   */
  close(code: number, reason: string): void {
    if (this.#state === "answering") this.#finish();
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#hasGap = this.#inflow.isHeld;
    this.#sendClose(code, reason);
    this.#farewell.cutAfter(this.#closeTimeoutMs);
    // The client's close frame has to be found, behind whatever waits.
    this.#inflow.resume();
  }

  ping(onTaken: () => void): void {
    // As good a time as any to look whether it is idle.
    this.#deflate?.rest();
    if (this.#state === "open") this.#writer.ping(onTaken);
  }

  /** Ends the connection at once. */
  cut(): void {
    this.#socket.destroy();
  }

  #openReader(maxMessageBytes: number): FrameReader {
    const listener: FrameListener = {
      onMessage: (bytes, isText) => this.#onMessage(bytes, isText),
      onPing: (bytes) => {
        if (this.#mayTakeControl(bytes) && this.#state === "open") this.#pongs.owe(bytes);
      },
      onPong: (bytes) => void this.#mayTakeControl(bytes),
      onInflated: (bytes) => this.#hold(bytes),
      onLast: (code, reason) => this.#leave(code, reason),
      onReady: () => this.#inflow.feed(),
    };
    return new FrameReader(listener, this.#deflate, maxMessageBytes);
  }

  #hearSocket(): void {
    const socket = this.#socket;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.#inflow.end());
    socket.on("drain", () => this.#pongs.pay());
    socket.on("close", () => this.#onClose());
  }

  #onData(chunk: Buffer): void {
    if (this.#isOver()) {
      this.#farewell.drop(chunk.length);
      return;
    }
    this.#heartbeat.hear();
    this.#hold(chunk.length);
    this.#inflow.push(chunk);
  }

  #hold(bytes: number): void {
    if (!this.#unfinished.take(bytes))
      this.#leave(CloseCode.TRY_AGAIN_LATER, "too many large messages are on their way");
  }

  #onMessage(bytes: Buffer, isText: boolean): void {
    this.#unfinished.clear();
    if (!this.#hasGap && !this.#isOver()) this.#listener.onMessage(bytes, isText);
  }

  /** Counts a control frame; false: there are too many. */
  #mayTakeControl(bytes: Buffer): boolean {
    this.#unfinished.give(bytes.length + CONTROL_FRAME_BYTES);
    if (this.#controlFrames.takes(performance.now())) return true;
    this.#leave(CloseCode.POLICY_VIOLATION, "too many control frames");
    return false;
  }

  /** The client has closed, or did what it may not, or more than we can bear. */
  #leave(code: number, reason: string): void {
    if (this.#isOver()) return;
    if (this.#state === "open" && this.#answerMs > 0) {
      this.#answer(code, reason);
      return;
    }
    if (this.#state === "open") this.#sendClose(code, reason);
    this.#end(code, reason);
  }

  #answer(code: number, reason: string): void {
    this.#state = "answering";
    this.#stopReading();
    this.#patience = setTimeout(() => {
      this.#finish();
      this.#listener.onClosed(code, reason, false);
    }, this.#answerMs).unref();
    this.#told = { code, reason };
    this.#listener.onClosed(code, reason, true);
  }

  /** All that came is answered, or will not be. */
  #finish(): void {
    if (this.#state !== "answering" || this.#told === null) return;
    const { code, reason } = this.#told;
    this.#sendClose(code, reason);
    this.#end(code, reason);
  }

  #sendClose(code: number, reason: string): void {
    this.#pongs.stop();
    this.#farewell.say(code, reason);
  }

  #end(code: number, reason: string): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    this.#state = "ending";
    clearTimeout(this.#patience);
    this.#stopReading();
    this.#farewell.end(this.#closeTimeoutMs);
    this.#report(code, reason);
  }

  #onClose(): void {
    const wasAnswering = this.#state === "answering";
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#patience);
    this.#farewell.stop();
    this.#stopReading();
    this.#deflate?.close();
    if (!wasAnswering || this.#told === null) this.#report(CloseCode.ABNORMAL, "");
    else this.#listener.onClosed(this.#told.code, this.#told.reason, false);
  }

  #stopReading(): void {
    this.#heartbeat.stop();
    this.#unfinished.clear();
    this.#inflow.stop();
  }

  #report(code: number, reason: string): void {
    if (this.#told !== null) return;
    this.#told = { code, reason };
    this.#listener.onClosed(code, reason, false);
  }

  /** Whether nothing that comes is read any more. */
  #isOver(): boolean {
    return this.#state !== "open" && this.#state !== "closing";
  }
}
