// One WebSocket on a socket that HTTP has left (RFC 6455 §5 … §7): whole messages in, pieces of messages
// out, control frames answered, and one word about how it ended. Frames are read and written by the
// library; how many may come, and when the connection ends, is decided here.
//
//   open ──close()──▶ closing ──the client's close frame──▶ ending ──both sides closed──▶ closed
//    │                   │                                  ▲    │                          ▲
//    ├── the client's close frame, which is answered ───────┤    └──────── timeout ─────────┤
//    ├── what a client may not send ────────────────────────┘                               │
//    └───────────────────┴── the socket has closed, timeout, nothing comes or goes ─────────┘
//
// closing: our close frame is out; messages are still taken as long as there is room for them. ending:
// all is said; what still comes is dropped for a while, so that the client reads our last frame.

import type { Duplex } from "node:stream";

import type { Upgraded } from "../http/exchange.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { CloseCode, closeCodeOf, fittingReason } from "./close-code.ts";
import { DEFLATE, type Deflate } from "./deflate.ts";
import { FrameRate } from "./frame-rate.ts";
import { Heartbeat, type Pulse } from "./heartbeat.ts";
import { Inflow } from "./inflow.ts";
import { Receiver, Sender } from "./library.ts";
import {
  CLOSE_TIMEOUT_MS,
  INFLATE_STEP_BYTES,
  LINGER_BYTES,
  LINGER_MS,
  MAX_CONTROL_FRAMES_PER_SECOND,
  MAX_FRAGMENTS,
  MAX_MESSAGE_BYTES,
  MAX_READS_A_FRAME,
  PING_INTERVAL_MS,
} from "./limits.ts";
import { Pongs } from "./pongs.ts";
import { UnfinishedMessage } from "./unfinished-message.ts";

/** Bytes of a client's control frame around its payload. */
const CONTROL_FRAME_BYTES = 6;
const EMPTY = Buffer.alloc(0);

export interface WebSocketListener {
  /** A whole message; the bytes are the listener's. */
  onMessage(bytes: Buffer, isText: boolean): void;
  /** Nothing more will come; once. The client's code; ours where it did what it may not; 1006: cut. */
  onClosed(code: number, reason: string): void;
}

export interface WebSocketOptions {
  readonly deflate: Deflate | null;
  /** Shared by all connections, for their unfinished messages. */
  readonly budget: MemoryBudget;
  readonly listener: WebSocketListener;
  readonly pingIntervalMs?: number;
  readonly closeTimeoutMs?: number;
}

export class WebSocketConnection implements Pulse {
  readonly #upgraded: Upgraded;
  readonly #socket: Duplex;
  readonly #listener: WebSocketListener;
  readonly #deflate: Deflate | null;
  readonly #sender: Sender;
  readonly #pongs: Pongs;
  readonly #inflow: Inflow;
  readonly #heartbeat: Heartbeat;
  readonly #closeTimeoutMs: number;
  readonly #controlFrames = new FrameRate(MAX_CONTROL_FRAMES_PER_SECOND);
  readonly #unfinished: UnfinishedMessage;
  #state: "open" | "closing" | "ending" | "closed" = "open";
  #hasReported = false;
  #isCloseSent = false;
  /** A message was dropped: none that comes later may be taken. */
  #hasGap = false;
  #lingeredBytes = 0;
  #deadline: NodeJS.Timeout | undefined;

  constructor(upgraded: Upgraded, options: WebSocketOptions) {
    const { deflate, budget, listener } = options;
    const { socket } = upgraded;
    this.#upgraded = upgraded;
    this.#socket = socket;
    this.#listener = listener;
    this.#deflate = deflate;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    this.#unfinished = new UnfinishedMessage(budget);
    if (deflate !== null) deflate.onInflated = (bytes) => this.#hold(bytes);
    this.#sender = new Sender(socket, extensionsOf(deflate));
    this.#pongs = new Pongs(socket, this.#sender);
    this.#inflow = new Inflow({
      socket,
      receiver: this.#openReceiver(),
      // Each step of compressed bytes may become a thousand times as many.
      stepBytes: deflate === null ? Infinity : INFLATE_STEP_BYTES,
      onEnd: () => this.cut(),
    });
    this.#heartbeat = new Heartbeat(this, options.pingIntervalMs ?? PING_INTERVAL_MS);
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
   * Sends a piece of a message. It must not change until `onDone`, which says whether the client has
   * taken it; false: it never will.
   */
  send(piece: Buffer, isText: boolean, isLast: boolean, onDone: (isTaken: boolean) => void): void {
    if (this.#state !== "open") {
      process.nextTick(onDone, false);
      return;
    }
    const compress = this.#deflate !== null;
    const options = { binary: !isText, compress, fin: isLast, mask: false };
    this.#sender.send(piece, options, (error) => onDone(!error));
  }

  /** Stops reading: whoever hears the messages has enough. What has been read already still comes. */
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
   * that come until the client answers are dropped from the first on for which there is no room.
   */
  close(code: number, reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#hasGap = this.#inflow.isHeld;
    this.#sendClose(code, reason);
    this.#cutAfter(this.#closeTimeoutMs);
    // The client's close frame has to be found, behind whatever waits.
    this.#inflow.resume();
  }

  ping(onTaken: () => void): void {
    // As good a time as any to look whether it is idle.
    this.#deflate?.rest();
    if (this.#state === "open") this.#sender.ping(EMPTY, false, onTaken);
  }

  /** Ends the connection at once. */
  cut(): void {
    this.#socket.destroy();
  }

  #openReceiver(): Receiver {
    const receiver = new Receiver({
      isServer: true,
      extensions: extensionsOf(this.#deflate),
      maxPayload: MAX_MESSAGE_BYTES,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_READS_A_FRAME,
    });
    receiver.on("message", (bytes: Buffer, isBinary: boolean) => this.#onMessage(bytes, !isBinary));
    receiver.on("ping", (bytes: Buffer) => {
      if (this.#mayTakeControl(bytes) && this.#state === "open") this.#pongs.owe(bytes);
    });
    receiver.on("pong", (bytes: Buffer) => this.#mayTakeControl(bytes));
    receiver.on("conclude", (code: number, reason: Buffer) =>
      this.#onConclude(code, reason.toString("utf8")),
    );
    receiver.on("error", (error: Error) => this.#fail(closeCodeOf(error), error.message));
    return receiver;
  }

  #hearSocket(): void {
    const socket = this.#socket;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.#inflow.end());
    socket.on("drain", () => this.#pongs.pay());
    socket.on("finish", () => this.#cutAfter(LINGER_MS));
    socket.on("close", () => this.#onClose());
  }

  #onData(chunk: Buffer): void {
    if (this.#isOver()) {
      this.#lingeredBytes += chunk.length;
      if (this.#lingeredBytes > LINGER_BYTES) this.cut();
      return;
    }
    this.#heartbeat.hear();
    this.#hold(chunk.length);
    this.#inflow.push(chunk);
  }

  #hold(bytes: number): void {
    if (!this.#unfinished.take(bytes))
      this.#fail(CloseCode.TRY_AGAIN_LATER, "too many large messages are on their way");
  }

  #onMessage(bytes: Buffer, isText: boolean): void {
    this.#unfinished.clear();
    if (bytes.length === 0 && !this.#mayTakeControl(bytes)) return;
    if (!this.#hasGap && !this.#isOver()) this.#listener.onMessage(bytes, isText);
  }

  /** Counts a frame that brings nothing; false: there are too many. */
  #mayTakeControl(bytes: Buffer): boolean {
    this.#unfinished.give(bytes.length + CONTROL_FRAME_BYTES);
    if (this.#controlFrames.takes(performance.now())) return true;
    this.#fail(CloseCode.POLICY_VIOLATION, "too many control frames and empty messages");
    return false;
  }

  #onConclude(code: number, reason: string): void {
    if (this.#state === "open") this.#sendClose(code, reason);
    this.#end(code, reason);
  }

  /** The client did what it may not, or more than we can bear. */
  #fail(code: number, reason: string): void {
    if (this.#state === "open") this.#sendClose(code, reason);
    this.#end(code, reason);
  }

  #sendClose(code: number, reason: string): void {
    const isBare = code === CloseCode.NONE;
    this.#pongs.stop();
    this.#sender.close(
      isBare ? undefined : code,
      isBare ? "" : fittingReason(reason),
      false,
      () => {
        this.#isCloseSent = true;
        if (this.#state === "ending") this.#socket.end();
      },
    );
  }

  #end(code: number, reason: string): void {
    if (this.#isOver()) return;
    this.#state = "ending";
    this.#heartbeat.stop();
    this.#unfinished.clear();
    this.#cutAfter(this.#closeTimeoutMs);
    this.#inflow.stop();
    if (this.#isCloseSent) this.#socket.end();
    this.#report(code, reason);
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#deadline);
    this.#heartbeat.stop();
    this.#unfinished.clear();
    this.#inflow.stop();
    this.#deflate?.close();
    this.#report(CloseCode.ABNORMAL, "");
  }

  #report(code: number, reason: string): void {
    if (this.#hasReported) return;
    this.#hasReported = true;
    this.#listener.onClosed(code, reason);
  }

  #isOver(): boolean {
    return this.#state === "ending" || this.#state === "closed";
  }

  #cutAfter(ms: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.cut(), ms).unref();
  }
}

function extensionsOf(deflate: Deflate | null): Record<string, Deflate> {
  return deflate === null ? {} : { [DEFLATE]: deflate };
}
