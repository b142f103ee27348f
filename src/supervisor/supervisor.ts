// The life of the main process: start, say where, wait for a signal, stop. A first SIGTERM or SIGINT
// lets requests finish; a second one ends everything at once. Replacing a worker is the pool's affair.

import type { Configuration } from "../config/configuration.ts";
import { openAccessLog } from "../observe/log-targets.ts";
import type { Log } from "../observe/log.ts";
import { Server, type Started } from "../server.ts";

/** Signals that end the server, and what a second one of them returns: 128 + its number. */
const ENDING = { SIGTERM: 143, SIGINT: 130 } as const;
type Ending = keyof typeof ENDING;

/**
 * Serves until a signal ends it; resolves with the exit code. Rejects with OperatorError if the
 * application does not load or an address cannot be had.
 */
export async function supervise(configuration: Configuration, log: Log): Promise<number> {
  process.title = `typhon ${configuration.app}`;
  const accessLog = openAccessLog(configuration.accessLog, configuration.logFormat, log);
  const server = new Server(configuration, log, accessLog);
  const signals = new Signals();
  const reopen = (): void => {
    log.reopen();
    accessLog?.reopen();
  };
  process.on("SIGUSR1", reopen);
  try {
    const started = await Promise.race([server.start(), signals.first]);
    if (typeof started === "string") {
      await server.stop(0);
      return ENDING[started];
    }
    // performance.now() counts from the start of the process.
    announce(configuration, log, started, performance.now());
    const signal = await signals.first;
    log.info("server.stopping", `${signal}: finishing what runs`, { signal });
    const stopped = server.stop(configuration.gracefulTimeoutMs).then(() => 0);
    return await Promise.race([stopped, signals.second.then((again) => ENDING[again])]);
  } finally {
    process.off("SIGUSR1", reopen);
    await accessLog?.flush();
    signals.close();
  }
}

function announce(
  configuration: Configuration,
  log: Log,
  { addresses, notice, pool }: Started,
  startMs: number,
): void {
  if (notice !== null) log.warning("server.notice", notice, {});
  const { app, workers, threads } = configuration;
  const where = addresses.join(" ");
  log.info("server.started", `Typhon serves ${app} at ${where}`, {
    interface: pool.interface,
    python: `${pool.implementation} ${pool.python}`,
    workers,
    threads,
    startMs: Math.round(startMs),
  });
}

/** The first and the second signal that asks us to end. */
class Signals {
  readonly first: Promise<Ending>;
  readonly second: Promise<Ending>;
  readonly #onSignal: (signal: NodeJS.Signals) => void;

  constructor() {
    const first = Promise.withResolvers<Ending>();
    const second = Promise.withResolvers<Ending>();
    let count = 0;
    this.first = first.promise;
    this.second = second.promise;
    this.#onSignal = (signal) => {
      if (signal !== "SIGTERM" && signal !== "SIGINT") return;
      count += 1;
      if (count === 1) first.resolve(signal);
      else second.resolve(signal);
    };
    for (const signal of Object.keys(ENDING)) process.on(signal, this.#onSignal);
  }

  close(): void {
    for (const signal of Object.keys(ENDING)) process.off(signal, this.#onSignal);
  }
}
