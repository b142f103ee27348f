// One WebSocket on a stream that has left HTTP (RFC 6455 §5 … §7): complete messages come in, pieces of
// messages go out, control frames are answered, and the listener hears once how the WebSocket ended. Works on
// any duplex stream, a socket or a stream of HTTP/2 (RFC 8441), that no longer reads written bytes when it
// calls back: their memory is then used again.
//
//   open ──close()──▶ closing ──the client's close frame──────▶ ending ──both sides closed──▶ closed
//    │                   │                                       ▲   │                          ▲
//    ├── the client's close frame ──▶ answering ──close(),───────┤   └───────── timeout ────────┤
//    ├── a protocol error ──────────▶             timeout        │                              │
//    └───────────────────┴── the stream has closed, timeout, no bytes come or go ───────────────┘
//
// closing: our close frame is sent; messages are delivered until the listener pauses. answering: nothing more
// is read; earlier messages may still be answered (RFC 6455 §5.5.1), then our close frame is sent. ending: both
// close frames are sent; later bytes of the client are dropped.

import type { Duplex } from "node:stream";

import type { UpgradedStream } from "../http/exchange.ts";
import type { BudgetShare } from "../net/budget-share.ts";
import { LingeringClose } from "../net/lingering-close.ts";
import { CloseCode, type CloseStatus } from "./close-code.ts";
import type { Deflate } from "./deflate.ts";
import { FrameInput } from "./frame-input.ts";
import { FrameRate } from "./frame-rate.ts";
import { FrameReader, type FrameListener } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { Heartbeat } from "./heartbeat.ts";
import { MessageDeadline } from "./message-deadline.ts";
import {
  CLOSE_TIMEOUT_MS,
  MAX_CONTROL_FRAMES_PER_SECOND,
  MAX_MESSAGE_BYTES,
  MESSAGE_WINDOW_MS,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  FAIR_BYTES,
  LEAST_FAIR_BYTES,
} from "./limits.ts";

/** Settings of WebSockets that an operator can choose. */
export interface WebSocketSettings {
  /** Longest message, inflated. */
  readonly maxMessageBytes: number;
  /** Time between two pings; 0: none are sent. */
  readonly pingIntervalMs: number;
  /** How long a client may stay silent after a ping; 0: for ever. */
  readonly pingTimeoutMs: number;
  /** Whether messages may be compressed. */
  readonly mayCompress: boolean;
}

export const DEFAULT_SETTINGS: WebSocketSettings = {
  maxMessageBytes: MAX_MESSAGE_BYTES,
  pingIntervalMs: PING_INTERVAL_MS,
  pingTimeoutMs: PING_TIMEOUT_MS,
  mayCompress: true,
};

export interface WebSocketListener {
  /** A whole message; the bytes become the listener's. */
  onMessage(bytes: Buffer, isText: boolean): void;
  /**
   * No more messages will come. Close code: the client's, ours after a protocol error, 1006 if the connection
   * was cut. Called once. With `mayAnswer` the listener may still send, and calls `close` when it has answered
   * all messages; if the connection ends before that, this is called a second time.
   */
  onClosed(code: number, reason: string, mayAnswer: boolean): void;
}

export interface WebSocketOptions extends Partial<WebSocketSettings> {
  readonly deflate: Deflate | null;
  /** The connection's part of the memory of all messages: for unfinished ones, and bytes that are not read. */
  readonly share: BudgetShare;
  readonly listener: WebSocketListener;
  readonly closeTimeoutMs?: number;
  /** How long messages may be answered after the client's last frame; missing: not at all. */
  readonly answerMs?: number;
  /** Window in which an unfinished message must bring enough bytes. */
  readonly messageWindowMs?: number;
}

/** What one connection may hold of the memory of all messages (BudgetShare). */
export const MESSAGE_SHARE = { fairBytes: FAIR_BYTES, leastBytes: LEAST_FAIR_BYTES } as const;

export class WebSocketConnection {
  readonly #listener: WebSocketListener;
  readonly #deflate: Deflate | null;
  readonly #writer: FrameWriter;
  readonly #input: FrameInput;
  readonly #heartbeat: Heartbeat;
  readonly #messageDeadline: MessageDeadline;
  readonly #stream: Duplex;
  readonly #lingering: LingeringClose;
  readonly #closeTimeoutMs: number;
  readonly #answerMs: number;
  readonly #controlFrames = new FrameRate(MAX_CONTROL_FRAMES_PER_SECOND);
  readonly #share: BudgetShare;
  /** Bytes of the client that are held here, as counted in the share. */
  #heldBytes = 0;
  #state: "open" | "closing" | "answering" | "ending" | "closed" = "open";
  /** The close status that the listener has heard. */
  #reported: CloseStatus | null = null;
  /** Whether a message was dropped while closing: no later one may be delivered. */
  #hasGap = false;
  /** Limits the time in each state but open and closed. */
  #timer: NodeJS.Timeout | undefined;

  constructor(upgraded: UpgradedStream, options: WebSocketOptions) {
    const { pingIntervalMs = PING_INTERVAL_MS, pingTimeoutMs = PING_TIMEOUT_MS } = options;
    const stream = upgraded.stream;
    this.#stream = stream;
    this.#listener = options.listener;
    this.#deflate = options.deflate;
    this.#share = options.share;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    this.#answerMs = options.answerMs ?? 0;
    this.#writer = new FrameWriter(stream, options.deflate);
    this.#lingering = new LingeringClose(stream);
    const reader = this.#openReader(options.maxMessageBytes ?? MAX_MESSAGE_BYTES);
    this.#input = new FrameInput(stream, reader, () => stream.destroy());
    this.#messageDeadline = new MessageDeadline(
      reader,
      () => this.#onLast(CloseCode.POLICY_VIOLATION, "a message or frame was not finished in time"),
      options.messageWindowMs ?? MESSAGE_WINDOW_MS,
    );
    this.#heartbeat = new Heartbeat(upgraded, this.#input, (onTaken) => this.#ping(onTaken), {
      intervalMs: pingIntervalMs,
      timeoutMs: pingTimeoutMs,
    });
    stream.on("data", (chunk: Buffer) => this.#onData(chunk));
    stream.on("end", () => this.#input.end());
    stream.on("close", () => this.#onStreamClosed());
    const ahead = upgraded.takeAhead();
    if (ahead.length > 0) this.#onData(ahead);
    // The stream may have ended before the listener was attached.
    if (stream.readableEnded) this.#input.end();
    if (stream.destroyed) process.nextTick(() => this.#onStreamClosed());
  }

  /**
   * Sends a piece of a message; its bytes are valid during the call only. `onDone`: the kernel has taken the
   * piece, or, with false, the client will never get it.
   */
  send(piece: Buffer, isText: boolean, isLast: boolean, onDone: (isTaken: boolean) => void): void {
    if (this.#state !== "open" && this.#state !== "answering") {
      process.nextTick(onDone, false);
      return;
    }
    this.#writer.send(piece, isText, isLast, onDone);
  }

  /** Stops reading. Only a message that zlib's threads inflate may still come. */
  pause(): void {
    if (this.#state === "open") this.#input.pause();
    else this.#hasGap = true;
  }

  resume(): void {
    if (!this.#input.isPaused) return;
    this.#heartbeat.onInput();
    this.#messageDeadline.resume();
    this.#input.resume();
    this.#countMemory();
  }

  /**
   * Begins the closing handshake. `code`: one that may be sent (`maySend`), or 1005 for none. Messages still
   * come until `pause` is called; later ones are dropped. In state "answering" this call says that all messages
   * are answered, and sends the close frame that the client waits for.
   */
  close(code: number, reason: string): void {
    if (this.#state === "answering") this.#endAnswering();
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#hasGap = this.#input.isPaused;
    this.#writer.close(code, reason);
    this.#cutAfter(this.#closeTimeoutMs);
    // The client's close frame has to be found behind the messages that wait.
    this.#input.resume();
  }

  #ping(onTaken: () => void): void {
    if (this.#state === "open") this.#writer.ping(onTaken);
  }

  #openReader(maxMessageBytes: number): FrameReader {
    const listener: FrameListener = {
      onMessage: (bytes, isText) => this.#onMessage(bytes, isText),
      onPing: (payload) => {
        if (this.#mayTakeControl() && this.#state === "open") this.#writer.pong(payload);
      },
      onPong: () => void this.#mayTakeControl(),
      onInflated: () => this.#countMemory(),
      onLast: (code, reason) => this.#onLast(code, reason),
      onReady: () => {
        this.#input.feed();
        this.#countMemory();
      },
    };
    return new FrameReader(listener, this.#deflate, maxMessageBytes);
  }

  #onData(chunk: Buffer): void {
    if (this.#hasEndedReading()) {
      this.#lingering.drop(chunk.length);
      return;
    }
    this.#heartbeat.onInput();
    this.#input.push(chunk);
    this.#messageDeadline.onInput();
    this.#countMemory();
  }

  /** Counts what is held. A large unfinished message ends the WebSocket when the shared memory is used up. */
  #countMemory(): void {
    const { unfinishedBytes, heldBytes } = this.#input;
    if (heldBytes !== this.#heldBytes) this.#share.add(heldBytes - this.#heldBytes);
    this.#heldBytes = heldBytes;
    if (this.#share.mayHold(unfinishedBytes)) return;
    this.#onLast(CloseCode.TRY_AGAIN_LATER, "too many large messages are on their way");
  }

  #onMessage(bytes: Buffer, isText: boolean): void {
    if (!this.#hasGap && !this.#hasEndedReading()) this.#listener.onMessage(bytes, isText);
  }

  /** Counts a control frame; false: there are too many. */
  #mayTakeControl(): boolean {
    if (this.#controlFrames.count(performance.now())) return true;
    this.#onLast(CloseCode.POLICY_VIOLATION, "too many control frames");
    return false;
  }

  /** The client has sent its close frame, has broken the protocol, or has exceeded a limit. */
  #onLast(code: number, reason: string): void {
    if (this.#hasEndedReading()) return;
    if (this.#state === "open" && this.#answerMs > 0) {
      this.#beginAnswering(code, reason);
      return;
    }
    if (this.#state === "open") this.#writer.close(code, reason);
    this.#end(code, reason);
  }

  #beginAnswering(code: number, reason: string): void {
    this.#state = "answering";
    this.#stopReading();
    this.#timer = setTimeout(() => {
      this.#endAnswering();
      this.#listener.onClosed(code, reason, false);
    }, this.#answerMs).unref();
    this.#reported = { code, reason };
    this.#listener.onClosed(code, reason, true);
  }

  #endAnswering(): void {
    if (this.#state !== "answering" || this.#reported === null) return;
    const { code, reason } = this.#reported;
    this.#writer.close(code, reason);
    this.#end(code, reason);
  }

  /** Both close frames are sent. */
  #end(code: number, reason: string): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    this.#state = "ending";
    this.#stopReading();
    this.#writer.end();
    this.#cutAfter(this.#closeTimeoutMs);
    this.#report(code, reason);
  }

  #onStreamClosed(): void {
    const wasAnswering = this.#state === "answering";
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#stopReading();
    this.#deflate?.close();
    if (!wasAnswering || this.#reported === null) this.#report(CloseCode.ABNORMAL, "");
    else this.#listener.onClosed(this.#reported.code, this.#reported.reason, false);
  }

  #cutAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stream.destroy(), ms).unref();
  }

  #stopReading(): void {
    this.#heartbeat.stop();
    this.#messageDeadline.stop();
    this.#input.stop();
    this.#countMemory();
  }

  #report(code: number, reason: string): void {
    if (this.#reported !== null) return;
    this.#reported = { code, reason };
    this.#listener.onClosed(code, reason, false);
  }

  #hasEndedReading(): boolean {
    return this.#state !== "open" && this.#state !== "closing";
  }
}
