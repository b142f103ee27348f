// Whether a client is still there, asked by a ping now and then; two ways to find out that it is not:
// nothing comes after a ping, or nothing of what is sent goes out. Anything that comes is as good as a
// pong, because a client inside a large frame cannot send one.

import { PING_INTERVAL_MS, PING_TIMEOUT_MS } from "./limits.ts";

/** What a heartbeat needs of its connection. */
export interface Pulse {
  /** Sends a ping; `onTaken`: the kernel has taken it. */
  ping(onTaken: () => void): void;
  /** The client is gone. */
  cut(): void;
  /** Whether nothing is read, so that nothing can come. */
  readonly isDeaf: boolean;
  /** Whether bytes wait for the client. */
  readonly isWaiting: boolean;
  /** Bytes that the kernel has taken. */
  readonly bytesSent: number;
}

export interface HeartbeatOptions {
  /** Between two pings; 0: none are sent, and only a client that takes nothing is found out. */
  readonly pingIntervalMs?: number;
  /** For anything to come after a ping; 0: for ever. */
  readonly pingTimeoutMs?: number;
}

export class Heartbeat {
  readonly #pulse: Pulse;
  readonly #isAsking: boolean;
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  /** Runs from when the kernel took a ping, until something comes. */
  #patience: NodeJS.Timeout | undefined;
  /** Whether a ping is out that nothing has followed. */
  #hasAsked = false;
  #isOver = false;
  /** Of the last beat. */
  #wasWaiting = false;
  #bytesSent = 0;

  constructor(pulse: Pulse, options: HeartbeatOptions) {
    const { pingIntervalMs = PING_INTERVAL_MS, pingTimeoutMs = PING_TIMEOUT_MS } = options;
    this.#pulse = pulse;
    this.#isAsking = pingIntervalMs > 0;
    this.#timeoutMs = pingTimeoutMs;
    const beatMs = this.#isAsking ? pingIntervalMs : PING_INTERVAL_MS;
    this.#timer = setInterval(() => this.#later(() => this.#beat()), beatMs).unref();
  }

  /** Bytes have come, or can come again. */
  hear(): void {
    if (!this.#hasAsked) return;
    this.#hasAsked = false;
    clearTimeout(this.#patience);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#patience);
    this.#isOver = true;
  }

  #beat(): void {
    if (this.#isStalled()) this.#pulse.cut();
    else if (this.#isAsking && (!this.#hasAsked || this.#pulse.isDeaf)) this.#ask();
  }

  #ask(): void {
    this.#hasAsked = true;
    clearTimeout(this.#patience);
    this.#pulse.ping(() => {
      if (!this.#hasAsked || this.#isOver || this.#timeoutMs === 0) return;
      clearTimeout(this.#patience);
      this.#patience = setTimeout(() => this.#later(() => this.#giveUp()), this.#timeoutMs).unref();
    });
  }

  #giveUp(): void {
    if (this.#hasAsked && !this.#pulse.isDeaf) this.#pulse.cut();
  }

  /** Behind what has come meanwhile: the process may have been stopped for longer than a beat. */
  #later(act: () => void): void {
    setImmediate(() => {
      if (!this.#isOver) act();
    });
  }

  #isStalled(): boolean {
    const { isWaiting, bytesSent } = this.#pulse;
    const isStalled = isWaiting && this.#wasWaiting && bytesSent === this.#bytesSent;
    this.#wasWaiting = isWaiting;
    this.#bytesSent = bytesSent;
    return isStalled;
  }
}
