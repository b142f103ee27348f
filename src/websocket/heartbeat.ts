// Detects clients that have vanished without closing: no bytes come after a ping, or none of the bytes that
// wait for the client can be sent. Any byte counts as well as a pong, because a client in the middle of a large
// frame cannot send a pong.

import type { UpgradedStream } from "../http/exchange.ts";
import type { FrameInput } from "./frame-input.ts";
import { PING_INTERVAL_MS } from "./limits.ts";

export class Heartbeat {
  readonly #upgraded: UpgradedStream;
  readonly #input: FrameInput;
  readonly #ping: (onTaken: () => void) => void;
  readonly #sendsPings: boolean;
  readonly #timeoutMs: number;
  readonly #interval: NodeJS.Timeout;
  /** Runs from the moment when the kernel took a ping until bytes come. */
  #timeout: NodeJS.Timeout | undefined;
  /** Whether no byte has come since the last ping. */
  #isAwaitingPong = false;
  #isStopped = false;
  /** Whether bytes waited for the client at the last beat, and how many the kernel had taken. */
  #wasWaiting = false;
  #bytesSent = 0;

  /**
   * `ping` sends a ping and calls back when the kernel has taken it. `intervalMs` 0: no pings, and only a
   * client that takes no bytes is found. `timeoutMs` 0: a client may stay silent for ever.
   */
  constructor(
    upgraded: UpgradedStream,
    input: FrameInput,
    ping: (onTaken: () => void) => void,
    { intervalMs, timeoutMs }: { readonly intervalMs: number; readonly timeoutMs: number },
  ) {
    this.#upgraded = upgraded;
    this.#input = input;
    this.#ping = ping;
    this.#sendsPings = intervalMs > 0;
    this.#timeoutMs = timeoutMs;
    const beatMs = this.#sendsPings ? intervalMs : PING_INTERVAL_MS;
    this.#interval = setInterval(() => this.#afterInput(() => this.#beat()), beatMs).unref();
  }

  /** Bytes of the client have come, or are read again after a pause. */
  onInput(): void {
    if (!this.#isAwaitingPong) return;
    this.#isAwaitingPong = false;
    clearTimeout(this.#timeout);
  }

  stop(): void {
    clearInterval(this.#interval);
    clearTimeout(this.#timeout);
    this.#isStopped = true;
  }

  #beat(): void {
    if (this.#isStalled()) this.#upgraded.stream.destroy();
    else if (this.#sendsPings && (!this.#isAwaitingPong || this.#input.isPaused)) this.#sendPing();
  }

  #sendPing(): void {
    this.#isAwaitingPong = true;
    clearTimeout(this.#timeout);
    this.#ping(() => {
      if (!this.#isAwaitingPong || this.#isStopped || this.#timeoutMs === 0) return;
      clearTimeout(this.#timeout);
      const giveUp = (): void => this.#afterInput(() => this.#giveUp());
      this.#timeout = setTimeout(giveUp, this.#timeoutMs).unref();
    });
  }

  #giveUp(): void {
    // While nothing is read, no pong can come.
    if (this.#isAwaitingPong && !this.#input.isPaused) this.#upgraded.stream.destroy();
  }

  /** Acts after pending input: when the process continues after SIGSTOP, the pong may already be in the socket. */
  #afterInput(act: () => void): void {
    setImmediate(() => {
      if (!this.#isStopped) act();
    });
  }

  /** Whether bytes have waited since the last beat, and the kernel has taken none. */
  #isStalled(): boolean {
    const { stream, bytesSent } = this.#upgraded;
    const isWaiting = stream.writableLength > 0;
    const isStalled = isWaiting && this.#wasWaiting && bytesSent === this.#bytesSent;
    this.#wasWaiting = isWaiting;
    this.#bytesSent = bytesSent;
    return isStalled;
  }
}
