// The only place where the parts are joined: listeners, HTTP/1.1, routing, applications. Builds each part
// from its piece of the configuration and connects what one raises to what another takes.
//
//   listeners → http1 → trusted proxies → router → an application, or a response of the server's own

import type { ApplicationStatus } from "./application.ts";
import { Applications } from "./applications.ts";
import type { Configuration, RouteConfiguration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { DescriptorGuard } from "./front/descriptors.ts";
import { listenAll } from "./front/listen-all.ts";
import { ListenError, type Listener } from "./front/listener.ts";
import { HEALTH_METHODS, HEALTH_PATHS, HealthHandler } from "./handlers/builtin/health.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange } from "./http/exchange.ts";
import { Http1Engine } from "./http1/engine.ts";
import { CoarseClock } from "./net/coarse-clock.ts";
import { MemoryBudget } from "./net/memory-budget.ts";
import { OpenFiles } from "./net/open-files.ts";
import { TempFolder } from "./net/temp-folder.ts";
import type { AccessLog } from "./observe/access-log.ts";
import type { Log } from "./observe/log.ts";
import { requestIds } from "./routing/request-ids.ts";
import { Router, type Route } from "./routing/router.ts";
import { TrustedProxies } from "./routing/trusted-proxies.ts";

/** Bytes of bodies, of requests and responses together, that wait in memory. Beyond: temporary files. */
const BODY_MEMORY_BYTES = 67_108_864;
/** The same where the files have no room, or are slow. Beyond: a response is cut. */
const MAX_BODY_MEMORY_BYTES = 268_435_456;

/** What a started server can tell of itself. */
export interface Started {
  /** As URLs, or `unix:PATH`. */
  readonly addresses: readonly string[];
  /** Why port 80 is not listened at, where no address was chosen. */
  readonly notice: string | null;
  readonly applications: readonly ApplicationStatus[];
}

export class Server {
  readonly applications: Applications;
  readonly #listening: Pick<Configuration["listeners"], "bind" | "socketRights">;
  readonly #log: Log;
  readonly #proxies: TrustedProxies;
  readonly #router: Router;
  readonly #connections: Http1Engine;
  readonly #guard: DescriptorGuard;
  readonly #folder: TempFolder;
  readonly #clock = new CoarseClock();
  #listeners: readonly Listener[] = [];
  #hasStarted = false;

  constructor(configuration: Configuration, log: Log, accessLog: AccessLog | null) {
    const { forwardedAllowIps, headerMap, maxBody, maxRequestLine, maxRequestHead, ...times } =
      configuration.listeners;
    const { tempDir, maxTempSize, health, reload } = configuration.process;
    const { captureOutput } = configuration.logs;
    this.#listening = configuration.listeners;
    this.#log = log;
    this.#proxies = new TrustedProxies(forwardedAllowIps, requestIds(), headerMap);
    const openFiles = new OpenFiles({
      workers: configuration.applications.reduce((sum, { workers }) => sum + workers, 0),
      connections: () => this.#connections.size,
      closeIdle: (count) => this.#connections.closeOldestIdle(count),
    });
    this.#folder = new TempFolder({ parent: tempDir, maxBytes: maxTempSize, openFiles });
    const surroundings = {
      log,
      folder: this.#folder,
      openFiles,
      budget: new MemoryBudget(BODY_MEMORY_BYTES, MAX_BODY_MEMORY_BYTES),
      tempDir,
      captureOutput,
      isDevelopment: reload,
    };
    this.applications = new Applications(configuration.applications, surroundings);
    this.#router = new Router([
      ...configuration.routes.map((route) => this.#applicationRoute(route)),
      ...(health ? HEALTH_PATHS.map((path) => this.#healthRoute(path)) : []),
    ]);
    this.#connections = new Http1Engine({
      maxBodyBytes: maxBody,
      headLimits: { lineBytes: maxRequestLine, headBytes: maxRequestHead },
      ...times,
      onExchange: (exchange) => this.#route(exchange),
      onFinish: (exchange) => accessLog?.write(exchange),
      onRefused: (error, address) => accessLog?.writeRefused(address, error),
    });
    this.#guard = new DescriptorGuard(this.#connections, openFiles);
  }

  /**
   * Loads the applications, and only then listens; only once, also after a stop. Rejects with OperatorError
   * if one does not load or an address cannot be had; nothing is left running then.
   */
  async start(): Promise<Started> {
    if (this.#hasStarted) throw new OperatorError("a server can be started only once");
    this.#hasStarted = true;
    this.#clock.start(() => this.#connections.tick());
    try {
      await this.applications.start();
      const { bind, socketRights } = this.#listening;
      const { listeners, notice } = await listenAll(
        bind,
        (socket) => this.#guard.accept(socket),
        socketRights,
      );
      this.#listeners = listeners;
      this.applications.resume();
      const addresses = listeners.map((listener) => listener.url);
      return { addresses, notice, applications: this.applications.status() };
    } catch (error) {
      await this.stop(0);
      throw error instanceof ListenError ? new OperatorError(error.message, 2) : error;
    }
  }

  /** Stops accepting, lets requests finish for at most `graceMs`, then cuts what is left and ends the workers. */
  async stop(graceMs: number): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    const timer = setTimeout(() => this.#connections.destroyAll(), graceMs);
    const drained = this.#connections.drain().then(() => clearTimeout(timer));
    await this.applications.stop(graceMs, drained);
    this.#clock.stop();
    await this.#folder.remove();
  }

  #applicationRoute({ host, path, application }: RouteConfiguration): Route {
    const handler = this.applications.all.find(({ name }) => name === application);
    if (handler === undefined) throw new OperatorError(`no application is named "${application}"`);
    return { host, path, isExact: false, methods: null, handler };
  }

  #healthRoute(path: string): Route {
    const handler = new HealthHandler(() => this.applications.isReady);
    return { host: "", path, isExact: true, methods: HEALTH_METHODS, handler };
  }

  #route(exchange: Exchange): void {
    try {
      const refused = this.#proxies.identify(exchange);
      const found = refused ?? this.#router.match(exchange.effectiveHead);
      if ("code" in found) exchange.fail(found);
      else found.handle(exchange);
    } catch (error) {
      // A fault of ours is the end of one request, never of the others.
      const stack = error instanceof Error ? error.stack : undefined;
      this.#log.error("server.fault", `a fault of Typhon: ${stack ?? String(error)}`, {});
      exchange.fail(ERRORS.SERVER_FAULT);
    }
  }
}
