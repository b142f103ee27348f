// The signals of the main process (docs/signals.md). They are handled from the start, because each would
// otherwise end the process; SIGHUP and SIGUSR1 do nothing until `onReload` and `onReopen` are set.

import { closeSync, constants, openSync } from "node:fs";
import { isatty } from "node:tty";

/** Signals that end the server, with the exit code if they end it at once: 128 + the signal's number. */
export const ENDING = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type Ending = keyof typeof ENDING;

const TAKEN = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"] as const;

export class Signals {
  /** Resolve with the first, second and third signal that asks the server to end. */
  readonly first: Promise<Ending>;
  readonly second: Promise<Ending>;
  readonly third: Promise<Ending>;
  /** Called on SIGHUP: load the application's code again. */
  onReload: (() => void) | null = null;
  /** Called on SIGUSR1: open the log files again. */
  onReopen: (() => void) | null = null;
  /** Those that no signal has resolved. */
  readonly #ends: PromiseWithResolvers<Ending>[];
  readonly #hasTerminal = [0, 1, 2].some(isatty) && isTerminalThere();
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#take(signal);

  constructor() {
    const first = Promise.withResolvers<Ending>();
    const second = Promise.withResolvers<Ending>();
    const third = Promise.withResolvers<Ending>();
    this.first = first.promise;
    this.second = second.promise;
    this.third = third.promise;
    this.#ends = [first, second, third];
    for (const signal of TAKEN) process.on(signal, this.#onSignal);
  }

  close(): void {
    for (const signal of TAKEN) process.off(signal, this.#onSignal);
  }

  #take(signal: NodeJS.Signals): void {
    if (signal === "SIGUSR1") this.onReopen?.();
    if (signal === "SIGTERM" || signal === "SIGINT") this.#end(signal);
    if (signal !== "SIGHUP") return;
    // The kernel also sends SIGHUP when the terminal that the server was started in is closed. Then the
    // server ends, like any other command in the foreground.
    if (this.#hasTerminal && !isTerminalThere()) this.#end(signal);
    else this.onReload?.();
  }

  #end(signal: Ending): void {
    this.#ends.shift()?.resolve(signal);
  }
}

/** Whether this process has a controlling terminal that is still open. */
function isTerminalThere(): boolean {
  const { O_RDONLY, O_NOCTTY, O_NONBLOCK } = constants;
  try {
    closeSync(openSync("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK));
    return true;
  } catch {
    // ENXIO: there is no terminal, or it was closed.
    return false;
  }
}
