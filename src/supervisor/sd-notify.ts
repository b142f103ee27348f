// What is told to the service manager that has started us (sd_notify(3)): that we listen, load code
// anew, end, and, if it wants to know, that our event loop still turns. The datagrams are sent by the
// launcher; so the unit needs NotifyAccess=all (docs/guide/systemd.md). Without NOTIFY_SOCKET nothing
// is said.

/** Variables of the process. */
type Environment = Readonly<Record<string, string | undefined>>;

/** What Node's timers can wait, ms. */
const MAX_TIMER_MS = 2_147_483_647;

export class SdNotify {
  readonly #send: (text: string) => void;
  readonly #watchdogMs: number | null;
  #timer: NodeJS.Timeout | null = null;

  /** `send` sends one datagram; it may lose one. */
  constructor(environment: Environment, send: (text: string) => void) {
    const isThere = Boolean(environment["NOTIFY_SOCKET"]);
    this.#send = isThere ? send : () => undefined;
    this.#watchdogMs = isThere ? watchdogMs(environment, process.pid) : null;
  }

  /** We listen, or do so again. `status`: one line for people. */
  ready(status: string): void {
    this.#send(`READY=1\nMAINPID=${process.pid}\nSTATUS=${oneLine(status)}`);
    if (this.#watchdogMs === null) return;
    // Of the event loop: a front that is stuck says nothing, and is started anew.
    this.#timer ??= setInterval(() => this.#send("WATCHDOG=1"), this.#watchdogMs);
  }

  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1000n;
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${microseconds}\nSTATUS=loading the code anew`);
  }

  stopping(): void {
    this.#send("STOPPING=1\nSTATUS=finishing what runs");
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/**
 * How often the watchdog wants to hear from process `pid`: half of WATCHDOG_USEC, in ms; null where it
 * does not, or another process is meant. Pure.
 */
export function watchdogMs(environment: Environment, pid: number): number | null {
  const microseconds = environment["WATCHDOG_USEC"] ?? "";
  const meant = environment["WATCHDOG_PID"] ?? "";
  if (!/^[1-9]\d{0,17}$/.test(microseconds)) return null;
  if (meant !== "" && meant !== String(pid)) return null;
  return Math.min(MAX_TIMER_MS, Math.max(1, Math.floor(Number(microseconds) / 2000)));
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}
