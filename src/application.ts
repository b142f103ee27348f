// One Python application as a service: its pool of workers, the handler for its interface, its times,
// its WebSockets, and what a developer sees while its code does not load. Knows no route and no socket.
//
//   new ──start──▶ running ──stop──▶ stopping
//                    └── hold ⇄ resume: requests wait while code is loaded (development)

import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import type { ApplicationConfiguration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { readVersion } from "./config/version.ts";
import { AsgiHandler } from "./handlers/asgi/handler.ts";
import { FailureHandler } from "./handlers/development/failure.ts";
import { exchangeOf } from "./handlers/python/python-request.ts";
import { HandedFiles } from "./handlers/python/handed-files.ts";
import { WsgiHandler } from "./handlers/wsgi/handler.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange, Handler } from "./http/exchange.ts";
import { canOpenBelow } from "./net/file-tree.ts";
import type { MemoryBudget } from "./net/memory-budget.ts";
import type { OpenFiles } from "./net/open-files.ts";
import type { TempFolder } from "./net/temp-folder.ts";
import { writeOutput } from "./observe/log-targets.ts";
import type { Log } from "./observe/log.ts";
import { PoolLog } from "./pool-log.ts";
import { canonicalPath } from "./routing/canonical-path.ts";
import { leastTimeoutMs, routeTimeouts } from "./routing/route-timeouts.ts";
import { CloseCode } from "./websocket/close-code.ts";
import { explainUnused } from "./workers/gunicorn-hooks.ts";
import { Pool, StartFailure, type PoolOptions, type PoolStatus } from "./workers/pool.ts";

/** Requests of one application that wait for a reload in development. */
const MAX_HELD = 1000;
/** Time over which the WebSockets of a worker that leaves are closed, at most. */
const LEAVE_MS = 5000;
/** How often a stopping application looks whether requests still run. */
const IDLE_CHECK_MS = 20;

/** An application as it is now, as plain data. */
export interface ApplicationStatus {
  readonly name: string;
  readonly app: string;
  readonly isReady: boolean;
  readonly workers: number;
  readonly threads: number;
  /** Why the code does not load, in development; else null. */
  readonly failure: string | null;
  readonly pool: PoolStatus;
}

/** What all applications of a server share. */
export interface ApplicationContext {
  readonly log: Log;
  /** For bodies that find no room in memory. */
  readonly folder: TempFolder;
  readonly openFiles: OpenFiles;
  readonly budget: MemoryBudget;
  /** Absolute; used where the machine has no /dev/shm. */
  readonly tempDir: string;
  readonly isTrustedProxy: (address: string) => boolean;
  /** Whether what applications print becomes lines of the log. */
  readonly captureOutput: boolean;
  /** In development code that does not load is shown as a page, and does not end the start. */
  readonly isDevelopment: boolean;
}

/** Responds to exchanges by a Python program; a handler with a life of its own. */
export class PythonApplication implements Handler {
  readonly name: string;
  readonly configuration: ApplicationConfiguration;
  /** Asked for a reload, with the reason, because dead workers cannot be replaced without one. */
  onReloadNeeded: (reason: string) => void = () => undefined;
  readonly #log: Log;
  readonly #isDevelopment: boolean;
  readonly #pool: Pool;
  readonly #wsgi: WsgiHandler;
  readonly #asgi: AsgiHandler;
  /** The handler of the interface that the application speaks. */
  #handler: Handler;
  /** "draining": begun connections still bring requests; "stopping": new requests are refused. */
  #state: "running" | "draining" | "stopping" = "running";
  /** Requests that wait for the new code; null: requests need not wait. */
  #held: Exchange[] | null = null;
  /** Why the last load failed, in development. */
  #failure: string | null = null;
  #failureHtml = "";
  #failurePage: FailureHandler | null = null;
  /** Whether `onReloadNeeded` was called and no load has ended since. */
  #isReloadAsked = false;

  constructor(configuration: ApplicationConfiguration, shared: ApplicationContext) {
    const { log, folder, openFiles, budget, tempDir, captureOutput, isDevelopment } = shared;
    const { isTrustedProxy } = shared;
    const { routeTimeouts: routes, timeoutMs, drainTimeoutMs } = configuration;
    this.name = configuration.name;
    this.configuration = configuration;
    this.#log = log.of(configuration.name);
    this.#isDevelopment = isDevelopment;
    const output = captureOutput ? null : writeOutput;
    this.#pool = new Pool(
      poolOptions(configuration, tempDir),
      new PoolLog(this.#log, exchangeOf, configuration, output),
    );
    const context = {
      pool: this.#pool,
      folder,
      openFiles,
      budget,
      timesOf: routeTimeouts(routes, timeoutMs, timeoutMs),
      abandonTimeoutMs: null,
      mayRetry: configuration.retry === "safe",
      maxResponseSpill: configuration.maxResponseSpill,
      files: new HandedFiles({
        roots: configuration.sendfile,
        count: openFiles,
        canonicalPath,
        isTrustedProxy,
      }),
      onFault: (exchange: Exchange, text: string) => this.#onFault(exchange, text),
      onStoreFailure: (exchange: Exchange, error: Error) => this.#onStoreFailure(exchange, error),
    };
    // The worker has the other half of the time to finish what it does for these clients.
    const leaveMs = Math.min(LEAVE_MS, drainTimeoutMs / 2);
    this.#wsgi = new WsgiHandler(context, leaveMs);
    // An event stream may be silent for hours: between chunks only a time for its path holds.
    const timesOf = routeTimeouts(routes, configuration.asgiTimeoutMs, 0);
    const { abandonTimeoutMs, webSockets } = configuration;
    this.#asgi = new AsgiHandler({ ...context, timesOf, abandonTimeoutMs }, leaveMs, webSockets);
    this.#handler = this.#wsgi;
    this.#pool.onFolderGone = (text): void => this.#askForReload(text);
    this.#pool.onInterface = (found): void => {
      this.#handler = found === "asgi" ? this.#asgi : this.#wsgi;
    };
  }

  get isReady(): boolean {
    return this.#state === "running" && this.#pool.isServing;
  }

  handle(exchange: Exchange): void {
    exchange.application = this.name;
    if (this.#held === null) this.#answer(exchange);
    else if (this.#held.length < MAX_HELD) this.#held.push(exchange);
    else exchange.fail(ERRORS.QUEUE_FULL);
  }

  /** Resolves with null, or in development with the reason why the code does not load. Rejects with OperatorError. */
  async start(): Promise<string | null> {
    if (this.configuration.sendfile.length > 0 && !canOpenBelow())
      throw new OperatorError("--sendfile: files are sent only where /proc is mounted");
    for (const text of explainUnused(this.configuration.gunicornHooks))
      this.#log.warning("hook.unused", text, {});
    try {
      await this.#pool.start();
    } catch (error) {
      if (!(error instanceof StartFailure)) throw error;
      if (error.kind === "launcher") throw this.#launcherFailure(error);
      if (!this.#isDevelopment) throw new OperatorError(error.message, 3);
      this.#fail(error.message, error.page);
    }
    return this.#failure;
  }

  /**
   * Lets begun requests finish for at most `graceMs`, then ends the workers. `lastExchange` resolves when
   * no request can come any more; without it new requests are refused with 503 from now on.
   */
  async stop(graceMs: number, lastExchange?: Promise<void>): Promise<void> {
    const end = performance.now() + graceMs;
    this.#state = lastExchange === undefined ? "stopping" : "draining";
    // Spread out, so that the clients do not all come back in one moment.
    for (const handler of [this.#asgi, this.#wsgi])
      handler.closeAll(CloseCode.SERVICE_RESTART, graceMs / 2);
    await (lastExchange ?? this.#lastRequest(end));
    await this.#pool.stop(Math.max(0, end - performance.now()));
  }

  /** Loads the code anew beside the code that runs. Null when the new code serves, or why the old code stays. */
  async reload(): Promise<string | null> {
    const failure = await this.#pool.load();
    this.#isReloadAsked = false;
    // A launcher that was killed leaves no words.
    const text = failure === null ? null : failure.text || "the launcher ended";
    // A load that another one has overtaken says nothing about the code.
    if (failure?.kind !== "superseded") this.#fail(text, failure?.page);
    return text;
  }

  /** Development: requests that come from here on wait for `resume`. */
  hold(): void {
    this.#held ??= [];
  }

  /** Development: the requests that wait, for another application that has the new code. */
  takeHeld(): readonly Exchange[] {
    const held = this.#held ?? [];
    this.#held = null;
    return held;
  }

  /** Development: takes over requests, which wait for `resume`. */
  holdAll(exchanges: readonly Exchange[]): void {
    if (exchanges.length > 0) this.#held = [...(this.#held ?? []), ...exchanges];
  }

  /** Development: the requests that waited go on; after a failed load every request gets a page that shows it. */
  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#failurePage =
      this.#failure === null ? null : new FailureHandler(this.#failure, this.#failureHtml);
    for (const exchange of held) if (!exchange.isFinished) this.#answer(exchange);
  }

  /** The server listens. */
  listening(): void {
    this.#pool.listening();
  }

  /** Looks at deadlines; to be called every 100 ms. */
  tick(): void {
    this.#pool.tick();
  }

  /** Tells the service manager (sd_notify(3)); false: no launcher runs that could. */
  notify(text: string): boolean {
    return this.#pool.notify(text);
  }

  status(): ApplicationStatus {
    const { app, threads } = this.configuration;
    const { name, isReady } = this;
    const pool = this.#pool.status();
    return { name, app, isReady, workers: pool.wanted, threads, failure: this.#failure, pool };
  }

  #answer(exchange: Exchange): void {
    if (this.#state === "stopping") exchange.fail(ERRORS.STOPPING);
    else if (this.#failurePage !== null) this.#failurePage.handle(exchange);
    else this.#handler.handle(exchange);
  }

  #askForReload(reason: string): void {
    if (this.#isReloadAsked || this.#state !== "running") return;
    this.#isReloadAsked = true;
    this.onReloadNeeded(reason);
  }

  #fail(failure: string | null, page = ""): void {
    if (!this.#isDevelopment) return;
    this.#failure = failure;
    this.#failureHtml = page;
  }

  /** Resolves when no request runs or waits, at the latest at `end`. */
  async #lastRequest(end: number): Promise<void> {
    while (this.#pool.requests > 0 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, IDLE_CHECK_MS));
  }

  /** What kept the launcher from coming up: its interpreter, mostly. */
  #launcherFailure(error: StartFailure): OperatorError {
    // Python tells what is wrong in its last line, and so does a program that is no Python.
    const line = error.message.trim().split("\n").at(-1)?.slice(0, 300);
    return new OperatorError(
      `--python ${this.configuration.python}: ${line || "it ended without a word"}`,
      2,
    );
  }

  #onFault(exchange: Exchange, text: string): void {
    this.#log.error("application.fault", text, {
      requestId: exchange.requestId,
      worker: exchange.handling.worker,
      method: exchange.head.method,
      path: exchange.head.path,
    });
  }

  #onStoreFailure(exchange: Exchange, error: Error): void {
    const code = "code" in error ? String(error.code) : error.message;
    const text = `a temporary file could not be used: ${error.message}`;
    this.#log.error("request.spill-failed", text, {
      requestId: exchange.requestId,
      code,
    });
  }
}

function poolOptions(configuration: ApplicationConfiguration, tempDir: string): PoolOptions {
  return {
    // /dev/shm is a tmpfs: a note's read must never wait for a disk.
    runFolders: ["/dev/shm", tempDir, tmpdir()],
    python: configuration.python,
    packageFolder: join(dirname(dirname(fileURLToPath(import.meta.url))), "python"),
    application: {
      app: configuration.app,
      interface: configuration.interface,
      appDir: configuration.appDir,
      cwd: configuration.cwd,
      env: configuration.env,
      development: configuration.development,
      rootPath: configuration.rootPath,
      warmup: configuration.warmup,
      logConfig: configuration.logConfig,
      gunicornConf: configuration.gunicornConf,
      gunicornHooks: configuration.gunicornHooks,
      loop: configuration.loop,
      lifespan: configuration.lifespan,
      pathsend: configuration.pathsend,
      abandonTimeoutMs: configuration.abandonTimeoutMs,
      cancelOnDisconnect: configuration.cancelOnDisconnect,
      concurrency: configuration.concurrency,
      threads: configuration.threads,
      workers: configuration.workers,
      areWorkersChosen: configuration.areWorkersChosen,
      preload: configuration.preload,
      software: `typhon/${readVersion()}`,
    },
    queueTimeoutMs: configuration.queueTimeoutMs,
    queueLimit: configuration.queue,
    webSocketLimit: configuration.webSocketLimit,
    leastTimeoutMs: leastTimeoutMs([
      configuration.timeoutMs,
      configuration.abandonTimeoutMs,
      ...configuration.routeTimeouts.map(({ ms }) => ms),
    ]),
    startTimeoutMs: configuration.startTimeoutMs,
    drainTimeoutMs: configuration.drainTimeoutMs,
    loopTimeoutMs: configuration.loopTimeoutMs,
    maxRequests: configuration.maxRequests,
    maxRequestsJitter: configuration.maxRequestsJitter,
    maxRss: configuration.maxRss,
    maxAgeMs: configuration.maxAgeMs,
  };
}
