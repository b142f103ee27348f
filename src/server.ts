// The only place where the parts are joined: builds every part from a configuration and connects what
// each raises to what another takes. Events become log lines here and in pool-log.ts, nowhere below.
//
//   listeners → http1 → trusted proxies → WSGI handler → pool → Python

import { accessSync, constants } from "node:fs";
import type { Socket } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Configuration } from "./config/configuration.ts";
import { readVersion } from "./config/version.ts";
import { listenDefault } from "./front/default-address.ts";
import { DescriptorGuard } from "./front/descriptors.ts";
import { listenInherited } from "./front/inherited.ts";
import { listen, type Listener } from "./front/listener.ts";
import { FailureHandler } from "./handlers/builtin/failure.ts";
import { HealthHandler } from "./handlers/builtin/health.ts";
import { AsgiHandler } from "./handlers/asgi/handler.ts";
import { exchangeOf } from "./handlers/python/application-job.ts";
import { WsgiHandler } from "./handlers/wsgi/handler.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange } from "./http/exchange.ts";
import { Http1Engine } from "./http1/engine.ts";
import { CoarseClock } from "./net/coarse-clock.ts";
import { MemoryBudget } from "./net/memory-budget.ts";
import { TempFolder } from "./net/temp-folder.ts";
import type { AccessLog } from "./observe/access-log.ts";
import type { Log } from "./observe/log.ts";
import { PoolLog } from "./pool-log.ts";
import { leastTimeout, routeTimeouts } from "./routing/route-timeouts.ts";
import { requestIds } from "./routing/request-ids.ts";
import { TrustedProxies } from "./routing/trusted-proxies.ts";
import { CloseCode } from "./websocket/close-code.ts";
import { explainStartFailure } from "./start-failure.ts";
import { Pool } from "./workers/pool.ts";
import { StartFailure, type PoolOptions, type PoolReady } from "./workers/pool-contract.ts";

/** Bytes of bodies, of requests and answers together, that wait in memory. Beyond: temporary files. */
const BODY_MEMORY_BYTES = 67_108_864;

/** Requests that wait for a reload in development. */
const MAX_HELD = 1000;
/** Over so long the WebSockets of a worker that is replaced are closed. */
const LEAVE_MS = 5000;
/** How often late requests and workers are looked for. */
const POOL_TICK_MS = 100;
const BIND_UNUSED =
  "the sockets that were passed by LISTEN_FDS are listened at; the address that was chosen is not";

/** What a started server can tell of itself. */
export interface Started {
  /** As URLs, or `unix:PATH`. */
  readonly addresses: readonly string[];
  /** Why it is not port 80, where nobody chose an address. */
  readonly notice: string | null;
  readonly pool: PoolReady;
  /** Why the application did not load; development only, else the start has failed. */
  readonly failure: string | null;
}

export class Server {
  readonly #configuration: Configuration;
  readonly #log: Log;
  readonly #proxies: TrustedProxies;
  readonly #connections: Http1Engine;
  readonly #guard: DescriptorGuard;
  readonly #folder: TempFolder;
  readonly #pool: Pool;
  readonly #wsgi: WsgiHandler;
  readonly #asgi: AsgiHandler;
  readonly #health: HealthHandler | null;
  readonly #clock = new CoarseClock();
  /** A 504 may be late by one tick, and a connection's end by many more. */
  readonly #poolClock = new CoarseClock(POOL_TICK_MS);
  #listeners: readonly Listener[] = [];
  #isStopping = false;
  /** Requests that wait for the new code; null: none are to wait. */
  #held: Exchange[] | null = null;
  #failure: FailureHandler | null = null;

  constructor(configuration: Configuration, log: Log, accessLog: AccessLog | null) {
    this.#configuration = configuration;
    this.#log = log;
    this.#proxies = new TrustedProxies(configuration.forwardedAllowIps, requestIds());
    this.#folder = new TempFolder(configuration.tempDir);
    this.#pool = new Pool(poolOptions(configuration), new PoolLog(log, exchangeOf));
    const { routeTimeouts: routes, timeoutMs } = configuration;
    const context = {
      pool: this.#pool,
      folder: this.#folder,
      budget: new MemoryBudget(BODY_MEMORY_BYTES),
      timesOf: routeTimeouts(routes, timeoutMs, timeoutMs),
      mayRetry: configuration.retry === "safe",
      maxResponseSpill: configuration.maxResponseSpill,
      onFault: (exchange: Exchange, text: string) => this.#onFault(exchange, text),
      onStoreFailure: (exchange: Exchange, error: Error) => this.#onStoreFailure(exchange, error),
    };
    const leaveMs = Math.min(LEAVE_MS, configuration.gracefulTimeoutMs / 2);
    this.#wsgi = new WsgiHandler(context, leaveMs);
    // An event stream may be silent for hours: between chunks only a time for its path holds.
    this.#asgi = new AsgiHandler(
      { ...context, timesOf: routeTimeouts(routes, timeoutMs, 0) },
      leaveMs,
      configuration.webSockets,
    );
    this.#health = configuration.health
      ? new HealthHandler(() => !this.#isStopping && this.#pool.isServing)
      : null;
    this.#connections = new Http1Engine({
      maxBodyBytes: configuration.maxBody,
      keepAliveMs: configuration.keepAliveMs,
      onExchange: (exchange) => this.#route(exchange),
      onFinish: (exchange) => accessLog?.write(exchange),
      onRefused: (error, address) => accessLog?.writeRefused(address, error),
    });
    this.#guard = new DescriptorGuard(this.#connections);
  }

  /**
   * Loads the application, and only then listens. Rejects with OperatorError if the application does
   * not load or an address cannot be had; nothing is left running then.
   */
  async start(): Promise<Started> {
    this.#clock.start(() => this.#connections.tick());
    this.#poolClock.start(() => this.#pool.tick());
    try {
      const failure = await this.#startPool();
      const { listeners, notice } = await this.#listen();
      this.#listeners = listeners;
      if (failure !== null) this.resume(failure);
      const addresses = listeners.map((listener) => listener.url);
      return { addresses, notice, pool: this.#pool.ready, failure };
    } catch (error) {
      await this.stop(0);
      throw explainStartFailure(error, this.#configuration) ?? error;
    }
  }

  // In development an application that does not load is shown as a page, until it does.
  async #startPool(): Promise<string | null> {
    try {
      await this.#pool.start();
      return null;
    } catch (error) {
      const isShown = error instanceof StartFailure && error.kind !== "launcher";
      if (!this.#configuration.reload || !isShown) throw error;
      return error.message;
    }
  }

  /**
   * Stops accepting, lets requests finish for at most `graceMs`, then cuts what is left and ends the
   * workers.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const end = performance.now() + graceMs;
    for (const listener of this.#listeners) listener.close();
    // Spread out, so that the clients do not all come back in one moment.
    for (const handler of [this.#asgi, this.#wsgi])
      handler.closeAll(CloseCode.SERVICE_RESTART, graceMs / 2);
    const timer = setTimeout(() => this.#connections.destroyAll(), graceMs);
    await this.#connections.drain();
    clearTimeout(timer);
    await this.#pool.stop(Math.max(0, end - performance.now()) / 1000);
    this.#clock.stop();
    this.#poolClock.stop();
    await this.#folder.remove();
  }

  /**
   * Loads the application's code anew beside what runs, and lets it take over when all of it is ready.
   * Null, or why the old code goes on.
   */
  async reload(): Promise<string | null> {
    const failure = await this.#pool.load();
    return failure?.text ?? null;
  }

  /** Development: requests that come from here on wait for `resume`. */
  hold(): void {
    this.#held ??= [];
  }

  /** Development: what was held goes on; with a failure every request gets a page that shows it. */
  resume(failure: string | null): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#failure = failure === null ? null : new FailureHandler(failure);
    for (const exchange of held) if (!exchange.isFinished) this.#answer(exchange);
  }

  /** Tells the service manager (sd_notify(3)), where there is one. */
  notify(text: string): void {
    this.#pool.notify(text);
  }

  async #listen(): Promise<{ listeners: readonly Listener[]; notice: string | null }> {
    const { bind } = this.#configuration;
    const accept = (socket: Socket): void => this.#guard.accept(socket);
    const inherited = await listenInherited(accept);
    if (inherited !== null)
      return { listeners: inherited, notice: bind === "default" ? null : BIND_UNUSED };
    if (bind === "default") return listenDefault(accept);
    const listeners: Listener[] = [];
    try {
      for (const address of bind) listeners.push(await listen(address, accept));
    } catch (error) {
      for (const listener of listeners) listener.close();
      throw error;
    }
    return { listeners, notice: null };
  }

  #route(exchange: Exchange): void {
    try {
      this.#proxies.identify(exchange);
      if (this.#health?.isFor(exchange) === true) {
        this.#health.handle(exchange);
        return;
      }
      if (this.#held === null) this.#answer(exchange);
      else if (this.#held.length < MAX_HELD) this.#held.push(exchange);
      else exchange.fail(ERRORS.QUEUE_FULL);
    } catch (error) {
      // A fault of ours is the end of one request, never of the others.
      const stack = error instanceof Error ? error.stack : undefined;
      this.#log.error("server.fault", stack ?? String(error), {});
      exchange.fail(ERRORS.SERVER_FAULT);
    }
  }

  #answer(exchange: Exchange): void {
    const application = this.#pool.isAsgi ? this.#asgi : this.#wsgi;
    (this.#failure ?? application).handle(exchange);
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
    this.#log.error("request.spill-failed", `a temporary file could not be used: ${code}`, {
      requestId: exchange.requestId,
      code,
    });
  }
}

function poolOptions(configuration: Configuration): PoolOptions {
  return {
    runFolder: runFolder(configuration.tempDir),
    python: configuration.python,
    packageFolder: join(dirname(dirname(fileURLToPath(import.meta.url))), "python"),
    application: {
      app: configuration.app,
      interface: configuration.interface,
      appDir: configuration.appDir,
      env: configuration.env,
      rootPath: configuration.rootPath,
      warmup: configuration.warmup,
      loop: configuration.loop,
      lifespan: configuration.lifespan,
      concurrency: configuration.concurrency,
      threads: configuration.threads,
      workers: configuration.workers,
      software: `typhon/${readVersion()}`,
    },
    queueTimeout: configuration.queueTimeoutMs / 1000,
    queueLimit: configuration.queue,
    leastTimeout: leastTimeout(configuration.routeTimeouts, configuration.timeoutMs),
    startTimeout: configuration.startTimeoutMs / 1000,
    drainTimeout: configuration.gracefulTimeoutMs / 1000,
    maxRequests: configuration.maxRequests,
    maxRequestsJitter: configuration.maxRequestsJitter,
    maxRss: configuration.maxRss,
    maxAge: configuration.maxAgeMs / 1000,
  };
}

/** A tmpfs where there is one: a note's read must never wait for a disk. */
function runFolder(tempDir: string): string {
  try {
    accessSync("/dev/shm", constants.W_OK | constants.X_OK);
    return "/dev/shm";
  } catch {
    return tempDir;
  }
}
