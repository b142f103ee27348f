// The life of the main process: start, say where, reload when asked, wait for a signal, stop. A first
// SIGTERM or SIGINT lets requests finish; a second one ends everything at once. Replacing a worker is
// the pool's affair. What the process shows to others (PID file, control socket, service manager) is
// opened when it listens and taken away at the end.

import { setTimeout as delay } from "node:timers/promises";

import type { Configuration } from "../config/configuration.ts";
import { openAccessLog } from "../observe/log-targets.ts";
import type { Log } from "../observe/log.ts";
import { Server, type Started } from "../server.ts";
import { dropOutdatedBytecode } from "./code-files.ts";
import { ControlError } from "./control-client.ts";
import { controlPath } from "./control-protocol.ts";
import { ControlSocket } from "./control-socket.ts";
import { Development } from "./development.ts";
import { PidFile } from "./pid-file.ts";
import type { Reloader, ReloadOutcome } from "./reloads.ts";
import { Reloads } from "./reloads.ts";
import { SdNotify } from "./sd-notify.ts";
import { ENDING, Signals } from "./signals.ts";

/** After the grace and the killing, workers have ended by then. */
const LAST_RESORT_MS = 3000;
const EXIT_STUCK = 1;

/**
 * Serves until a signal ends it; resolves with the exit code. Rejects with OperatorError if the
 * application does not load, an address cannot be had or the PID file is somebody else's.
 */
export async function supervise(configuration: Configuration, log: Log): Promise<number> {
  const { pid } = configuration.process;
  const { accessLog: target, format } = configuration.logs;
  process.title = `typhon ${configuration.applications.map(({ app }) => app).join(" ")}`;
  const signals = new Signals();
  try {
    const pidFile = pid === null ? null : await PidFile.claim(pid);
    const accessLog = openAccessLog(target, format, log);
    signals.onReopen = (): void => {
      log.reopen();
      accessLog?.reopen();
    };
    const server = new Server(configuration, log, accessLog);
    const life = new Life({ configuration, log, server, signals, pidFile });
    try {
      return await life.run();
    } finally {
      life.close();
      await accessLog?.flush();
    }
  } finally {
    signals.close();
  }
}

interface LifeOptions {
  readonly configuration: Configuration;
  readonly log: Log;
  readonly server: Server;
  readonly signals: Signals;
  readonly pidFile: PidFile | null;
}

class Life {
  readonly #options: LifeOptions;
  readonly #service: SdNotify;
  /** Null in service. */
  readonly #development: Development | null;
  readonly #reloader: Reloader;
  #control: ControlSocket | null = null;
  /** For the service manager: what we do when all is well. */
  #status = "";

  constructor(options: LifeOptions) {
    const { configuration, log, server } = options;
    this.#options = options;
    this.#service = new SdNotify(process.env, (text) => server.applications[0]?.notify(text));
    const { reload, reloadDirs } = configuration.process;
    this.#development = reload ? new Development({ server, log, folders: reloadDirs }) : null;
    this.#reloader = this.#development ?? this.#makeReloads();
  }

  /** Resolves with the exit code. */
  async run(): Promise<number> {
    const { configuration, log, server, signals, pidFile } = this.#options;
    // Before the application is read, so that no change after that is missed.
    const early = await Promise.race([this.#development?.watch(), signals.first]);
    if (early !== undefined) return ENDING[early];
    const started = await Promise.race([server.start(), signals.first]);
    if (typeof started === "string") {
      await server.stop(0);
      return ENDING[started];
    }
    try {
      // The socket first: who reads the file finds it.
      this.#control = await this.#openControl();
      pidFile?.write();
    } catch (error) {
      await server.stop(0);
      throw error;
    }
    this.#announce(started);
    this.#development?.begin();
    signals.onReload = (): void => void this.#reload("SIGHUP");
    const signal = await signals.first;
    log.info("server.stopping", `${signal}: finishing what runs`, { signal });
    signals.onReload = null;
    this.#reloader.close();
    this.#service.stopping();
    const stopped = server.stop(configuration.process.gracefulTimeoutMs).then(() => 0);
    const second = signals.second.then((again) => ENDING[again]);
    return await Promise.race([stopped, second, this.#giveUp()]);
  }

  // What is ended by force at the end of the grace has long ended by then. If it has not, we go all the
  // same: with this process the lifeline ends, and the kernel kills whatever hangs on it.
  async #giveUp(): Promise<number> {
    const { configuration, log } = this.#options;
    await delay(configuration.process.gracefulTimeoutMs + LAST_RESORT_MS, undefined, {
      ref: false,
    });
    log.error("server.stuck", "the workers do not end; they are left to the kernel", {});
    return EXIT_STUCK;
  }

  /** Takes away what others see of the process. */
  close(): void {
    this.#reloader.close();
    this.#service.close();
    this.#control?.close();
    this.#options.pidFile?.remove();
  }

  #makeReloads(): Reloads {
    const { configuration, server, log } = this.#options;
    return new Reloads(async () => {
      await dropOutdatedBytecode(configuration.process.reloadDirs);
      return await server.reload();
    }, log);
  }

  // For whoever asks; the service manager hears of it. Of a file that was saved it does not.
  async #reload(reason: string): Promise<ReloadOutcome> {
    this.#service.reloading();
    const outcome = await this.#reloader.request(reason);
    const { kind } = outcome;
    if (kind !== "stopped")
      this.#service.ready(
        kind === "failed" ? `${this.#status}; new code did not load, the old serves` : this.#status,
      );
    return outcome;
  }

  // A server without it still takes signals, so it never stops a start.
  async #openControl(): Promise<ControlSocket | null> {
    const { configuration, log } = this.#options;
    const { pid } = configuration.process;
    if (pid === null) return null;
    const path = controlPath(pid);
    try {
      return await ControlSocket.open(path, () => this.#reload("typhon reload"));
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      const { code } = error;
      log.warning(
        "control.failed",
        `no control socket at ${path}: typhon reload will not reach this server, SIGHUP does`,
        { path, code },
      );
      return null;
    }
  }

  #announce({ addresses, notice, applications }: Started): void {
    const { log } = this.#options;
    if (notice !== null) log.warning("server.notice", notice, {});
    for (const { name, failure } of applications)
      if (failure !== null) log.of(name).error("application.failed", failure, { kind: "load" });
    const apps = applications.map(({ app }) => app).join(", ");
    this.#status = `serves ${apps} at ${addresses.join(" ")}`;
    for (const { name, app, workers, threads, pool } of applications)
      log.of(name).info("server.started", `Typhon serves ${app} at ${addresses.join(" ")}`, {
        interface: pool.interface === "" ? "unknown" : pool.interface,
        python: pool.python,
        workers,
        threads,
        // performance.now() counts from the start of the process.
        startMs: Math.round(performance.now()),
      });
    this.#service.ready(this.#status);
  }
}
