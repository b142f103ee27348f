// Messages to the service manager that started Typhon (sd_notify(3)): ready, reloading, stopping, and, if it
// has a watchdog, that the event loop still runs. The launcher, or a program, sends the datagrams, because Node
// cannot; so the unit needs NotifyAccess=all (docs/guide/systemd.md). Without NOTIFY_SOCKET no message is sent.

/** Variables of the process. */
type Environment = Readonly<Record<string, string | undefined>>;

/** Longest time of a timer in Node, ms. */
const MAX_TIMER_MS = 2_147_483_647;

export class SdNotify {
  readonly #send: (text: string) => void;
  readonly #watchdogMs: number | null;
  #timer: NodeJS.Timeout | null = null;

  /** `send` sends one datagram; a datagram may be lost. */
  constructor(environment: Environment, send: (text: string) => void) {
    const hasManager = Boolean(environment["NOTIFY_SOCKET"]);
    this.#send = hasManager ? send : () => undefined;
    this.#watchdogMs = hasManager ? watchdogMs(environment, process.pid) : null;
  }

  /** The server listens, or a reload has ended. `status`: one line for people. */
  ready(status: string): void {
    this.#send(`READY=1\nMAINPID=${process.pid}\nSTATUS=${oneLine(status)}`);
    if (this.#watchdogMs === null) return;
    // A timer of the event loop: if the loop is stuck, the service manager hears nothing and restarts us.
    this.#timer ??= setInterval(() => this.#send("WATCHDOG=1"), this.#watchdogMs);
  }

  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1000n;
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${microseconds}\nSTATUS=loading new code`);
  }

  stopping(): void {
    this.#send("STOPPING=1\nSTATUS=finishing running requests");
  }

  /** The server serves on for a while before it stops; all of that takes at most `totalMs`. */
  draining(totalMs: number): void {
    this.#send(
      `STOPPING=1\nEXTEND_TIMEOUT_USEC=${totalMs * 1000}\nSTATUS=not ready any more, serving on before the stop`,
    );
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/**
 * Time between two messages to the watchdog, ms: half of WATCHDOG_USEC. Null without a watchdog, or if
 * WATCHDOG_PID names another process than `pid`. Pure.
 */
export function watchdogMs(environment: Environment, pid: number): number | null {
  const microseconds = environment["WATCHDOG_USEC"] ?? "";
  const watched = environment["WATCHDOG_PID"] ?? "";
  if (!/^[1-9]\d{0,17}$/.test(microseconds)) return null;
  if (watched !== "" && watched !== String(pid)) return null;
  return Math.min(MAX_TIMER_MS, Math.max(1, Math.floor(Number(microseconds) / 2000)));
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}
