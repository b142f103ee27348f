// The signals that the main process takes (docs/signals.md). From the first moment on they have somebody
// who takes them, as each would otherwise end the process; what nobody has asked for yet does nothing.

import { closeSync, constants, openSync } from "node:fs";
import { isatty } from "node:tty";

/** Signals that end the server, and what a second one of them returns: 128 + its number. */
export const ENDING = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type Ending = keyof typeof ENDING;

const TAKEN = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"] as const;

export class Signals {
  /** The first and the second signal that asks us to end. */
  readonly first: Promise<Ending>;
  readonly second: Promise<Ending>;
  /** SIGHUP: load the code anew. */
  onReload: (() => void) | null = null;
  /** SIGUSR1: open the logs anew. */
  onReopen: (() => void) | null = null;
  readonly #ends = [Promise.withResolvers<Ending>(), Promise.withResolvers<Ending>()] as const;
  readonly #hasTerminal = [0, 1, 2].some(isatty) && isTerminalThere();
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#take(signal);
  #count = 0;

  constructor() {
    const [first, second] = this.#ends;
    this.first = first.promise;
    this.second = second.promise;
    for (const signal of TAKEN) process.on(signal, this.#onSignal);
  }

  close(): void {
    for (const signal of TAKEN) process.off(signal, this.#onSignal);
  }

  #take(signal: NodeJS.Signals): void {
    if (signal === "SIGUSR1") this.onReopen?.();
    if (signal === "SIGTERM" || signal === "SIGINT") this.#end(signal);
    if (signal !== "SIGHUP") return;
    // The kernel sends it too when the terminal is closed that we were started in: as any command that
    // was left in the foreground there, we end.
    if (this.#hasTerminal && !isTerminalThere()) this.#end(signal);
    else this.onReload?.();
  }

  #end(signal: Ending): void {
    this.#ends[this.#count === 0 ? 0 : 1].resolve(signal);
    this.#count += 1;
  }
}

/** Whether this process has a controlling terminal, as long as that is open. */
function isTerminalThere(): boolean {
  const { O_RDONLY, O_NOCTTY, O_NONBLOCK } = constants;
  try {
    closeSync(openSync("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK));
    return true;
  } catch {
    // ENXIO: there is none, or none any more.
    return false;
  }
}
