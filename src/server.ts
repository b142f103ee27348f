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
import { listen, type Listener } from "./front/listener.ts";
import { requestIdOf, WsgiHandler } from "./handlers/wsgi/handler.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange } from "./http/exchange.ts";
import { Http1Connections } from "./http1/connections.ts";
import { CoarseClock } from "./net/deadline.ts";
import { MemoryBudget } from "./net/memory-budget.ts";
import { TempFolder } from "./net/temp-folder.ts";
import type { AccessLog } from "./observe/access-log.ts";
import type { Log } from "./observe/log.ts";
import { PoolLog } from "./pool-log.ts";
import { requestIds } from "./routing/request-ids.ts";
import { TrustedProxies } from "./routing/trusted-proxies.ts";
import { explainStartFailure } from "./start-failure.ts";
import { Pool } from "./workers/pool.ts";
import type { PoolOptions, PoolReady } from "./workers/pool-contract.ts";

/** Bytes of bodies, of requests and answers together, that wait in memory. Beyond: temporary files. */
const BODY_MEMORY_BYTES = 67_108_864;

/** What a started server can tell of itself. */
export interface Started {
  /** As URLs, or `unix:PATH`. */
  readonly addresses: readonly string[];
  /** Why it is not port 80, where nobody chose an address. */
  readonly notice: string | null;
  readonly pool: PoolReady;
}

export class Server {
  readonly #configuration: Configuration;
  readonly #log: Log;
  readonly #proxies: TrustedProxies;
  readonly #connections: Http1Connections;
  readonly #guard: DescriptorGuard;
  readonly #folder: TempFolder;
  readonly #pool: Pool;
  readonly #handler: WsgiHandler;
  readonly #clock = new CoarseClock();
  #listeners: readonly Listener[] = [];

  constructor(configuration: Configuration, log: Log, accessLog: AccessLog | null) {
    this.#configuration = configuration;
    this.#log = log;
    this.#proxies = new TrustedProxies(configuration.forwardedAllowIps, requestIds());
    this.#folder = new TempFolder(configuration.tempDir);
    this.#pool = new Pool(poolOptions(configuration), new PoolLog(log, requestIdOf));
    this.#handler = new WsgiHandler({
      pool: this.#pool,
      folder: this.#folder,
      budget: new MemoryBudget(BODY_MEMORY_BYTES),
      maxResponseSpill: configuration.maxResponseSpill,
      onFault: (exchange, text) => this.#onFault(exchange, text),
      onStoreFailure: (exchange, error) => this.#onStoreFailure(exchange, error),
    });
    this.#connections = new Http1Connections({
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
    this.#clock.start(() => {
      this.#connections.tick();
      this.#pool.tick();
    });
    try {
      const pool = await this.#pool.start();
      const { listeners, notice } = await this.#listen();
      this.#listeners = listeners;
      return { addresses: listeners.map((listener) => listener.url), notice, pool };
    } catch (error) {
      await this.stop(0);
      throw explainStartFailure(error, this.#configuration) ?? error;
    }
  }

  /**
   * Stops accepting, lets requests finish for at most `graceMs`, then cuts what is left and ends the
   * workers.
   */
  async stop(graceMs: number): Promise<void> {
    const end = performance.now() + graceMs;
    for (const listener of this.#listeners) listener.close();
    const timer = setTimeout(() => this.#connections.destroyAll(), graceMs);
    await this.#connections.drain();
    clearTimeout(timer);
    await this.#pool.stop(Math.max(0, end - performance.now()) / 1000);
    this.#clock.stop();
    await this.#folder.remove();
  }

  async #listen(): Promise<{ listeners: readonly Listener[]; notice: string | null }> {
    const { bind } = this.#configuration;
    const accept = (socket: Socket): void => this.#guard.accept(socket);
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
      this.#handler.handle(exchange);
    } catch (error) {
      // A fault of ours is the end of one request, never of the others.
      const stack = error instanceof Error ? error.stack : undefined;
      this.#log.error("server.fault", stack ?? String(error), {});
      exchange.fail(ERRORS.SERVER_FAULT);
    }
  }

  #onFault(exchange: Exchange, text: string): void {
    this.#log.error("application.fault", text, {
      requestId: exchange.requestId,
      worker: exchange.timing.worker,
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
      threads: configuration.threads,
      workers: configuration.workers,
      software: `typhon/${readVersion()}`,
    },
    queueTimeout: configuration.queueTimeoutMs / 1000,
    queueLimit: configuration.queue,
    timeout: configuration.timeoutMs / 1000,
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
