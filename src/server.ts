// The only place where the parts are joined: listeners, HTTP/1.1, the site, the applications. Builds each part
// from its piece of the configuration, and connects the events of one part to the methods of another.
//
//   listeners → http1 → trusted proxies → site → an application, a folder, a redirect, a fixed response

import type { ApplicationStatus, PythonApplication } from "./application.ts";
import { Applications } from "./applications.ts";
import type { Configuration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { DescriptorGuard } from "./front/descriptors.ts";
import { HeldConnections } from "./front/held-connections.ts";
import { listenAll, type Listening, type ListenOptions } from "./front/listen-all.ts";
import { ListenError, type Accept, type Listener } from "./front/listener.ts";
import { readPolicyFiles } from "./handlers/policy/policy-handler.ts";
import { CacheMemory } from "./handlers/static/file-cache.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange } from "./http/exchange.ts";
import { hstsValue } from "./http/server-fields.ts";
import { Http1Engine } from "./http1/engine.ts";
import { CoarseClock } from "./net/coarse-clock.ts";
import { OpenFiles } from "./net/open-files.ts";
import { TempFolder } from "./net/temp-folder.ts";
import type { AccessLog } from "./observe/access-log.ts";
import type { Log } from "./observe/log.ts";
import { requestIds } from "./routing/request-ids.ts";
import { TrustedProxies } from "./routing/trusted-proxies.ts";
import { Site } from "./site.ts";

/** What a started server can tell of itself. */
export interface Started {
  /** As URLs, or `unix:PATH`. */
  readonly addresses: readonly string[];
  /** Why the addresses are not the expected ones, such as that of port 80; null: they are. */
  readonly notice: string | null;
  readonly applications: readonly ApplicationStatus[];
}

/** Listeners that were opened before their server was made; their connections wait for it. */
export interface OpenedListeners {
  readonly listening: Listening;
  readonly held: HeldConnections;
}

/** Opens listeners while the process has the right to; their connections wait. Rejects with OperatorError. */
export async function openListeners(options: ListenOptions): Promise<OpenedListeners> {
  const held = new HeldConnections();
  return { listening: await listenAt(options, held.accept), held };
}

/** Closes listeners for which no server was made. */
export function closeListeners({ listening, held }: OpenedListeners): void {
  for (const listener of listening.listeners) listener.close();
  held.close();
}

/** Rejects with OperatorError. */
async function listenAt(options: ListenOptions, accept: Accept): Promise<Listening> {
  try {
    return await listenAll(options, accept);
  } catch (error) {
    throw error instanceof ListenError ? new OperatorError(error.message, 2) : error;
  }
}

export class Server {
  readonly applications: Applications;
  readonly #log: Log;
  readonly #proxies: TrustedProxies;
  /** Null before the start. */
  #site: Site | null = null;
  #configuration: Configuration;
  readonly #connections: Http1Engine;
  readonly #guard: DescriptorGuard;
  readonly #folder: TempFolder;
  readonly #openFiles: OpenFiles;
  readonly #fileMemory = new CacheMemory();
  readonly #clock = new CoarseClock();
  #listeners: readonly Listener[] = [];
  /** Connections that wait for the start; null: there are none. */
  #held: HeldConnections | null = null;
  #hasStarted = false;

  constructor(configuration: Configuration, log: Log, accessLog: AccessLog | null) {
    const { forwardedAllowIps, headerMap, maxBody, maxRequestLine, maxRequestHead } =
      configuration.listeners;
    const { keepAliveMs, bodyTimeoutMs } = configuration.listeners;
    const { tempDir, maxTempSize } = configuration.process;
    this.#configuration = configuration;
    this.#log = log;
    this.#proxies = new TrustedProxies(forwardedAllowIps, requestIds(), headerMap);
    this.#openFiles = new OpenFiles({
      workers: workersOf(configuration),
      connections: () => this.#connections.size,
      closeIdle: (count) => this.#connections.closeOldestIdle(count),
    });
    const openFiles = this.#openFiles;
    this.#folder = new TempFolder({ parent: tempDir, maxBytes: maxTempSize, openFiles });
    this.applications = new Applications(configuration, {
      log,
      folder: this.#folder,
      openFiles,
      isTrustedProxy: (address) => this.#proxies.isTrusted(address),
    });
    this.applications.onReloadNeeded = (): void => void this.reload();
    this.#connections = new Http1Engine({
      maxBodyBytes: maxBody,
      headLimits: { lineBytes: maxRequestLine, headBytes: maxRequestHead },
      keepAliveMs,
      bodyTimeoutMs,
      hsts: hstsValue(configuration.tls?.hstsSeconds ?? 0),
      onExchange: (exchange) => this.#route(exchange),
      onFinish: (exchange) => accessLog?.write(exchange),
      onRefused: (error, address) => accessLog?.writeRefused(address, error),
    });
    this.#guard = new DescriptorGuard(this.#connections, openFiles);
  }

  /**
   * Loads the applications, and only then listens, or takes the connections of `opened`; only once, also after a
   * stop. Rejects with OperatorError if one does not load or an address cannot be had; nothing is left running then.
   */
  async start(opened: OpenedListeners | null = null): Promise<Started> {
    if (this.#hasStarted) throw new OperatorError("a server can be started only once");
    this.#hasStarted = true;
    this.#listeners = opened?.listening.listeners ?? [];
    this.#held = opened?.held ?? null;
    this.#clock.start(() => this.#connections.tick());
    try {
      await this.applications.start();
      this.#site = await this.#openSite(this.#configuration, this.applications.all);
      const { listeners, notice } = await this.#listen(opened);
      this.#listeners = listeners;
      this.applications.resume();
      const addresses = listeners.map((listener) => listener.url);
      return { addresses, notice, applications: this.applications.status() };
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  async #listen(opened: OpenedListeners | null): Promise<Listening> {
    const accept: Accept = (socket) => this.#guard.accept(socket);
    if (opened !== null) {
      opened.held.release(accept);
      return opened.listening;
    }
    const { listeners, tls } = this.#configuration;
    const hasTls = tls !== null;
    return await listenAt({ ...listeners, hasTls, redirect: tls?.redirect ?? false }, accept);
  }

  /** Reads the files that the routes of a configuration name. Rejects with OperatorError; nothing changes. */
  async check({ routes }: Configuration): Promise<void> {
    await readPolicyFiles(routes.map(({ policy }) => policy));
  }

  /**
   * Loads the code of the applications anew; with a new configuration its applications and routes serve from
   * now on, while listeners, logs and process stay. Null, or why the old code, or the old configuration, goes on.
   */
  async reload(configuration = this.#configuration): Promise<string | null> {
    return await this.applications.reload(configuration.applications, async (applications) => {
      this.#site = await this.#openSite(configuration, applications);
      this.#configuration = configuration;
      this.#openFiles.expectWorkers(workersOf(configuration));
    });
  }

  /** Stops accepting, lets requests finish for at most `graceMs`, then cuts what is left and ends the workers. */
  async stop(graceMs: number): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    this.#held?.close();
    const timer = setTimeout(() => this.#connections.destroyAll(), graceMs);
    const drained = this.#connections.drain().then(() => clearTimeout(timer));
    await this.applications.stop(graceMs, drained);
    this.#clock.stop();
    await this.#folder.remove();
  }

  async #openSite(
    configuration: Configuration,
    applications: readonly PythonApplication[],
  ): Promise<Site> {
    return await Site.open(configuration, {
      applications: new Map(applications.map((one) => [one.name, one])),
      isReady: (name) => this.applications.isReady(name),
      keyAuthorizationOf: null,
      httpsPort: () => httpsPortOf(this.#listeners),
      fileMemory: this.#fileMemory,
      openFiles: this.#openFiles,
      onUnreadable: (folder, name, code) =>
        this.#log.warning("files.unreadable", "a file cannot be read", { folder, name, code }),
      onFailure: (text) => this.#log.error("route.failed", text, {}),
    });
  }

  #route(exchange: Exchange): void {
    try {
      const refused = this.#proxies.identify(exchange);
      if (refused !== null) exchange.fail(refused);
      else if (this.#site === null) exchange.fail(ERRORS.NO_WORKERS);
      else this.#site.handle(exchange);
    } catch (error) {
      // A fault of ours is the end of one request, never of the others.
      const stack = error instanceof Error ? error.stack : undefined;
      this.#log.error("server.fault", `a fault of Typhon: ${stack ?? String(error)}`, {});
      exchange.fail(ERRORS.SERVER_FAULT);
    }
  }
}

/** The port of the first listener that speaks TLS, else that of https. */
function httpsPortOf(listeners: readonly Listener[]): number {
  const url = listeners.map((listener) => listener.url).find((one) => one.startsWith("https:"));
  return Number(new URL(url ?? "https://localhost").port) || 443;
}

function workersOf({ applications }: Configuration): number {
  return applications.reduce((sum, { workers }) => sum + workers, 0);
}
