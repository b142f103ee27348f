// The life of the main process: start, report the addresses, reload on request, wait for a signal, stop. A
// first SIGTERM or SIGINT lets requests finish; a second one ends everything at once. With --drain-delay the
// server serves on for a while after the first, and the next one ends that while. The pool replaces
// workers. PID file, control socket and messages to the service manager begin when the server listens, and end
// with it.

import { setTimeout as delay } from "node:timers/promises";

import type { Configuration } from "../config/configuration.ts";
import type { Early } from "../config/server-options.ts";
import { closeListeners, openListeners, type OpenedListeners } from "../connections.ts";
import { openAccessLog } from "../observe/log-targets.ts";
import type { Log } from "../observe/log.ts";
import { checkFiles, Server, type Started } from "../server.ts";
import { dropOutdatedBytecode } from "./code-files.ts";
import { ControlError } from "./control-client.ts";
import { controlPath } from "./control-protocol.ts";
import { ControlSocket } from "./control-socket.ts";
import { Development, type DevelopedServer } from "./development.ts";
import { waitOut } from "./drain-delay.ts";
import { exitPastBusyThreads } from "./last-exit.ts";
import { NotifyCommand } from "./notify-command.ts";
import { PidFile } from "./pid-file.ts";
import { becomeUser } from "./privileges.ts";
import type { Reloader, ReloadOutcome } from "./reloads.ts";
import { Reloads } from "./reloads.ts";
import { restartNeeded } from "./restart-needed.ts";
import { SdNotify } from "./sd-notify.ts";
import { ENDING, Signals, type Ending } from "./signals.ts";

/** Time for killed workers to end, after the graceful timeout, ms. */
const LAST_RESORT_MS = 3000;
const EXIT_STUCK = 1;

/** Reads the configuration file anew. Rejects with OperatorError. */
export type Reread = () => Promise<Configuration>;

export interface SuperviseOptions {
  /** For each reload; null without a file. */
  readonly reread: Reread | null;
  /** Null: the server opens its listeners itself. */
  readonly opened: OpenedListeners | null;
}

/**
 * Opens the listeners as root, then becomes the user, for good; the rest of the configuration is read afterwards.
 * Rejects with OperatorError.
 */
export async function openAsRoot({ user, ...options }: Early): Promise<OpenedListeners> {
  const opened = await openListeners(options);
  try {
    if (user !== null) becomeUser(user);
    return opened;
  } catch (error) {
    closeListeners(opened);
    throw error;
  }
}

/**
 * Serves until a signal; resolves with the exit code. Rejects with OperatorError if the application does not
 * load, the server cannot listen at an address or another server owns the PID file.
 */
export async function supervise(
  configuration: Configuration,
  log: Log,
  { reread, opened }: SuperviseOptions,
): Promise<number> {
  const { pid } = configuration.process;
  const { accessLog: target, accessFormat, format } = configuration.logs;
  const apps = configuration.applications.map(({ app }) => app);
  process.title = ["typhon", ...apps].join(" ");
  const signals = new Signals();
  process.once("exit", exitPastBusyThreads);
  try {
    const pidFile = pid === null ? null : await PidFile.claim(pid);
    const accessLog = openAccessLog(target, accessFormat ?? format, log);
    signals.onReopen = (): void => {
      log.reopen();
      accessLog?.reopen();
    };
    tellFound(configuration, log);
    const server = new Server(configuration, log, accessLog);
    const mainProcess = new MainProcess({
      configuration,
      log,
      server,
      signals,
      pidFile,
      reread,
      opened,
    });
    try {
      return await mainProcess.run();
    } finally {
      await mainProcess.close();
      await accessLog?.flush();
    }
  } finally {
    signals.close();
  }
}

/** Before the application is loaded, so that a traceback is about something that the user knows of. */
function tellFound({ found, applications }: Configuration, log: Log): void {
  if (found === null) return;
  const [application] = applications;
  const why = application?.pythonWhy === "" ? "--python" : application?.pythonWhy;
  const by = application === undefined ? "" : `, by ${application.python} (${why})`;
  log.info("server.found", `found ${found.what}: ${found.why}${by}`, {});
}

interface MainProcessOptions extends SuperviseOptions {
  readonly configuration: Configuration;
  readonly log: Log;
  readonly server: Server;
  readonly signals: Signals;
  readonly pidFile: PidFile | null;
}

class MainProcess {
  readonly #options: MainProcessOptions;
  readonly #service: SdNotify;
  readonly #notifyCommand: NotifyCommand;
  /** Null without --reload. */
  readonly #development: Development | null;
  readonly #reloader: Reloader;
  #control: ControlSocket | null = null;
  /** Options whose values in the configuration that was read last hold only after a restart. */
  #restartNeeded: readonly string[] = [];
  /** The status line for the service manager when all is well. */
  #status = "";

  constructor(options: MainProcessOptions) {
    const { configuration, log, server } = options;
    this.#options = options;
    this.#notifyCommand = new NotifyCommand((text) =>
      log.warning(
        "manager.unreachable",
        `the service manager is not told that Typhon runs (${text}); without systemd-notify and python3 a unit needs Type=exec and no WatchdogSec=`,
        {},
      ),
    );
    this.#service = new SdNotify(process.env, (text) => {
      if (!server.applications.all.some((one) => one.notify(text))) this.#notifyCommand.send(text);
    });
    const { reload, reloadDirs, reloadFiles, developing } = configuration.process;
    this.#development = reload
      ? new Development({
          server: this.#developed(),
          log,
          folders: reloadDirs,
          files: reloadFiles,
          developing,
        })
      : null;
    this.#reloader = this.#development ?? new Reloads(() => this.#loadAll(), log);
  }

  /** Resolves with the exit code. */
  async run(): Promise<number> {
    const { configuration, log, server, signals, pidFile, opened } = this.#options;
    // Watching begins before the application is read, so that no later change is missed.
    const early = await Promise.race([this.#development?.watch(), signals.first]);
    if (early !== undefined) return ENDING[early];
    const started = await Promise.race([server.start(opened), signals.first]);
    if (typeof started === "string") {
      await server.stop(0);
      return ENDING[started];
    }
    try {
      // The socket first, so that a reader of the PID file finds the socket.
      this.#control = await this.#openControl();
      pidFile?.write();
    } catch (error) {
      await server.stop(0);
      throw error;
    }
    process.on("uncaughtException", this.#onFault);
    this.#announce(started);
    this.#development?.begin();
    signals.onReload = (): void => void this.#reload("SIGHUP");
    server.applications.onReloadNeeded = (reason): void => void this.#reload(reason);
    const signal = await signals.first;
    signals.onReload = null;
    this.#reloader.close();
    const last = await this.#drain(signal);
    log.info("server.stopping", `${signal}: finishing what runs`, { signal });
    this.#service.stopping();
    const stopped = server.stop(configuration.process.gracefulTimeoutMs).then(() => 0);
    const cut = signals[last].then((again) => ENDING[again]);
    return await Promise.race([stopped, cut, this.#exitCodeWhenStuck()]);
  }

  /** Serves on for --drain-delay; resolves with the signal that then ends everything at once. */
  async #drain(signal: Ending): Promise<"second" | "third"> {
    const { configuration, log, server, signals } = this.#options;
    const { drainDelayMs: delayMs, gracefulTimeoutMs, health } = configuration.process;
    if (delayMs === 0) return "second";
    server.failReadiness();
    this.#service.draining(delayMs + gracefulTimeoutMs + LAST_RESORT_MS);
    const page = health ? ", and /readyz responds with 503" : "";
    log.info("server.draining", `${signal}: serving on for ${delayMs / 1000} s${page}`, {
      signal,
      delayMs,
    });
    return await waitOut(delayMs, signals.second);
  }

  // Workers that were killed at the graceful timeout have ended by then. If one has not, the main process exits
  // all the same: its end of the lifeline closes, and the kernel kills launcher and workers.
  async #exitCodeWhenStuck(): Promise<number> {
    const { configuration, log } = this.#options;
    await delay(configuration.process.gracefulTimeoutMs + LAST_RESORT_MS, undefined, {
      ref: false,
    });
    log.error("server.stuck", "the workers do not end; they are left to the kernel", {});
    return EXIT_STUCK;
  }

  // The last net: an error that no part has caught ends neither the server nor other requests. Rejections that
  // no part has handled come here too.
  readonly #onFault = (error: unknown): void => {
    const stack = error instanceof Error ? error.stack : undefined;
    this.#options.log.error("server.fault", `a fault of Typhon: ${stack ?? String(error)}`, {});
  };

  /** Removes PID file and control socket, and ends the messages to the service manager when all are sent. */
  async close(): Promise<void> {
    process.off("uncaughtException", this.#onFault);
    this.#reloader.close();
    this.#service.close();
    this.#control?.close();
    this.#options.pidFile?.remove();
    await this.#notifyCommand.flush();
  }

  async #loadAll(): Promise<string | null> {
    await dropOutdatedBytecode(this.#options.configuration.process.reloadDirs);
    return await this.#load();
  }

  #developed(): DevelopedServer {
    const { server } = this.#options;
    return {
      reload: () => this.#load(),
      hold: () => server.hold(),
      resume: () => server.resume(),
      refresh: (change) => server.refresh(change),
    };
  }

  // Loads the configuration file, if there is one, and the code of the applications. A mistake in the file, or in
  // the files that the configuration names, is found before any code is loaded, so that it changes nothing.
  async #load(): Promise<string | null> {
    const { configuration: running, log, server, reread } = this.#options;
    const wanted = await reread?.();
    await checkFiles(wanted ?? running);
    const fixed = wanted === undefined ? [] : restartNeeded(running, wanted);
    this.#restartNeeded = fixed;
    if (fixed.length > 0)
      log.warning("server.restart-needed", `${fixed.join(", ")}: holds after a restart`, {});
    return await server.reload(wanted);
  }

  // A reload on request, which the service manager is told. It is not told about reloads after a saved file.
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

  // Null if the socket cannot be opened: that is no reason to refuse the start, because SIGHUP still reloads.
  async #openControl(): Promise<ControlSocket | null> {
    const { configuration, log } = this.#options;
    const { pid } = configuration.process;
    if (pid === null) return null;
    const path = controlPath(pid);
    try {
      return await ControlSocket.open(
        path,
        () => this.#reload("typhon reload"),
        () => this.#restartNeeded,
      );
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
    const { log, configuration } = this.#options;
    for (const text of [...(notice === null ? [] : [notice]), ...configuration.notices])
      log.warning("server.notice", text, {});
    for (const { name, failure } of applications)
      if (failure !== null) log.of(name).error("application.failed", failure, { kind: "load" });
    const kinds = new Set(configuration.routes.map(({ target }) => target.kind));
    const parts = [
      ...(kinds.has("static") ? ["files"] : []),
      ...(kinds.has("cgi") ? ["CGI programs"] : []),
    ];
    const others = parts.join(" and ") || "redirects and fixed responses";
    const apps = applications.map(({ app }) => app).join(", ") || others;
    this.#status = `serves ${apps} at ${addresses.join(" ")}`;
    if (applications.length === 0)
      log.info("server.files", `Typhon ${this.#status}`, {
        startMs: Math.round(performance.now()),
      });
    for (const { name, app, workers, threads, pool } of applications) {
      const one = pool.single === "" ? "" : ` by one worker (${pool.single}; --workers N for more)`;
      log.of(name).info("server.started", `Typhon serves ${app} at ${addresses.join(" ")}${one}`, {
        interface: pool.interface === "" ? "unknown" : pool.interface,
        python: pool.python,
        workers,
        threads,
        // performance.now() counts from the start of the process.
        startMs: Math.round(performance.now()),
      });
    }
    this.#service.ready(this.#status);
  }
}
