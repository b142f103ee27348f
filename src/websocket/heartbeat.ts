// Whether a client is still there, asked by a ping now and then; two ways to find out that it is not:
// nothing comes after a ping, or nothing of what is sent goes out. Anything that comes is as good as a
// pong, because a client inside a large frame cannot send one.

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

export class Heartbeat {
  readonly #pulse: Pulse;
  readonly #intervalMs: number;
  readonly #timer: NodeJS.Timeout;
  #next: NodeJS.Immediate | undefined;
  /** When the kernel took the ping that nothing has followed; Infinity: not yet, null: none is out. */
  #askedAt: number | null = null;
  /** Of the last beat. */
  #wasWaiting = false;
  #bytesSent = 0;

  constructor(pulse: Pulse, intervalMs: number) {
    this.#pulse = pulse;
    this.#intervalMs = intervalMs;
    this.#timer = setInterval(() => {
      // Behind what has come meanwhile: the process may have been stopped for longer than a beat.
      this.#next = setImmediate(() => this.#beat());
    }, intervalMs).unref();
  }

  /** Bytes have come, or can come again. */
  hear(): void {
    this.#askedAt = null;
  }

  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#next);
  }

  #beat(): void {
    if (this.#isStalled() || this.#isSilent()) this.#pulse.cut();
    else if (this.#askedAt === null || this.#pulse.isDeaf) this.#ask();
  }

  #ask(): void {
    this.#askedAt = Infinity;
    this.#pulse.ping(() => {
      if (this.#askedAt !== null) this.#askedAt = performance.now();
    });
  }

  #isStalled(): boolean {
    const { isWaiting, bytesSent } = this.#pulse;
    const isStalled = isWaiting && this.#wasWaiting && bytesSent === this.#bytesSent;
    this.#wasWaiting = isWaiting;
    this.#bytesSent = bytesSent;
    return isStalled;
  }

  #isSilent(): boolean {
    if (this.#askedAt === null || this.#pulse.isDeaf) return false;
    // A ping that went out late, behind much else, has its time too.
    return performance.now() - this.#askedAt >= this.#intervalMs / 2;
  }
}
