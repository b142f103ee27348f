// The only place where the parts are joined: listeners, HTTP/1.1, routing, applications. Builds each part
// from its piece of the configuration and connects what one raises to what another takes.
//
//   listeners → http1 → trusted proxies → router → an application, or a response of the server's own

import { PythonApplication, type ApplicationStatus } from "./application.ts";
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
import { TempFolder } from "./net/temp-folder.ts";
import type { AccessLog } from "./observe/access-log.ts";
import type { Log } from "./observe/log.ts";
import { requestIds } from "./routing/request-ids.ts";
import { Router, type Route } from "./routing/router.ts";
import { TrustedProxies } from "./routing/trusted-proxies.ts";

/** Bytes of bodies, of requests and responses together, that wait in memory. Beyond: temporary files. */
const BODY_MEMORY_BYTES = 67_108_864;
/** How often late requests and workers are looked for: a 504 may be late by one tick. */
const APPLICATION_TICK_MS = 100;

/** What a started server can tell of itself. */
export interface Started {
  /** As URLs, or `unix:PATH`. */
  readonly addresses: readonly string[];
  /** Why port 80 is not listened at, where no address was chosen. */
  readonly notice: string | null;
  readonly applications: readonly ApplicationStatus[];
}

export class Server {
  /** In the order of the configuration. */
  readonly applications: readonly PythonApplication[];
  readonly #listening: Pick<Configuration["listeners"], "bind" | "socketRights">;
  readonly #log: Log;
  readonly #proxies: TrustedProxies;
  readonly #router: Router;
  readonly #connections: Http1Engine;
  readonly #guard: DescriptorGuard;
  readonly #folder: TempFolder;
  readonly #clock = new CoarseClock();
  readonly #applicationClock = new CoarseClock(APPLICATION_TICK_MS);
  #listeners: readonly Listener[] = [];
  #hasStarted = false;

  constructor(configuration: Configuration, log: Log, accessLog: AccessLog | null) {
    const { forwardedAllowIps, maxBody, maxRequestLine, maxRequestHead, ...times } =
      configuration.listeners;
    const { tempDir, health, reload } = configuration.process;
    const { captureOutput } = configuration.logs;
    this.#listening = configuration.listeners;
    this.#log = log;
    this.#proxies = new TrustedProxies(forwardedAllowIps, requestIds());
    this.#folder = new TempFolder(tempDir);
    const surroundings = {
      log,
      folder: this.#folder,
      budget: new MemoryBudget(BODY_MEMORY_BYTES),
      tempDir,
      captureOutput,
      isDevelopment: reload,
    };
    this.applications = configuration.applications.map(
      (one) => new PythonApplication(one, surroundings),
    );
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
    this.#guard = new DescriptorGuard(this.#connections);
  }

  /**
   * Loads the applications, and only then listens; only once, also after a stop. Rejects with OperatorError
   * if one does not load or an address cannot be had; nothing is left running then.
   */
  async start(): Promise<Started> {
    if (this.#hasStarted) throw new OperatorError("a server can be started only once");
    this.#hasStarted = true;
    this.#clock.start(() => this.#connections.tick());
    this.#applicationClock.start(() => {
      for (const application of this.applications) application.tick();
    });
    try {
      await Promise.all(this.applications.map((application) => application.start()));
      const { bind, socketRights } = this.#listening;
      const { listeners, notice } = await listenAll(
        bind,
        (socket) => this.#guard.accept(socket),
        socketRights,
      );
      this.#listeners = listeners;
      this.resume();
      const addresses = listeners.map((listener) => listener.url);
      const applications = this.applications.map((application) => application.status());
      return { addresses, notice, applications };
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
    await Promise.all(this.applications.map((application) => application.stop(graceMs, drained)));
    this.#clock.stop();
    this.#applicationClock.stop();
    await this.#folder.remove();
  }

  /** Loads the code of every application anew. Null, or why the old code of some of them goes on. */
  async reload(): Promise<string | null> {
    const outcomes = await Promise.all(this.applications.map((one) => one.reload()));
    const failures = outcomes.filter((failure) => failure !== null);
    return failures.length === 0 ? null : failures.join("\n");
  }

  /** Development: requests that come from here on wait for `resume`. */
  hold(): void {
    for (const application of this.applications) application.hold();
  }

  /** Development: the requests that waited go on. */
  resume(): void {
    for (const application of this.applications) application.resume();
  }

  #applicationRoute({ host, path, application }: RouteConfiguration): Route {
    const handler = this.applications.find(({ name }) => name === application);
    if (handler === undefined) throw new OperatorError(`no application is named "${application}"`);
    return { host, path, isExact: false, methods: null, handler };
  }

  #healthRoute(path: string): Route {
    const handler = new HealthHandler(() => this.applications.every(({ isReady }) => isReady));
    return { host: "", path, isExact: true, methods: HEALTH_METHODS, handler };
  }

  #route(exchange: Exchange): void {
    try {
      this.#proxies.identify(exchange);
      const found = this.#router.match(exchange.effectiveHead);
      if ("code" in found) exchange.fail(found);
      else found.handle(exchange);
    } catch (error) {
      // A fault of ours is the end of one request, never of the others.
      const stack = error instanceof Error ? error.stack : undefined;
      this.#log.error("server.fault", stack ?? String(error), {});
      exchange.fail(ERRORS.SERVER_FAULT);
    }
  }
}
