// The only place where the parts are joined: connections, certificates, the site, the applications. Builds each part
// from its piece of the configuration, and connects the events of one part to the methods of another.
//
//   connections → trusted proxies → site → an application, a folder, CGI programs, a redirect, a fixed response

import type { ApplicationStatus, PythonApplication } from "./application.ts";
import { Applications } from "./applications.ts";
import { Certificates, checkCertificates } from "./certificates.ts";
import type { Configuration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { Connections, type OpenedListeners } from "./connections.ts";
import type { CgiContext } from "./handlers/cgi/context.ts";
import {
  DEVELOPMENT_PATH,
  PageReloads,
  type PageChange,
} from "./handlers/development/page-reloads.ts";
import { readPolicyFiles } from "./handlers/policy/policy-handler.ts";
import { CacheMemory } from "./handlers/static/file-cache.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange } from "./http/exchange.ts";
import { MemoryBudget } from "./net/memory-budget.ts";
import { TempFolder } from "./net/temp-folder.ts";
import type { AccessLog } from "./observe/access-log.ts";
import type { Log } from "./observe/log.ts";
import { Programs } from "./programs.ts";
import { requestIds } from "./routing/request-ids.ts";
import { isBelow } from "./routing/router.ts";
import { TrustedProxies } from "./routing/trusted-proxies.ts";
import { Site } from "./site.ts";

/** Bytes of bodies, of requests and responses together, that wait in memory. Beyond: temporary files. */
const BODY_MEMORY_BYTES = 67_108_864;
/** The same where the files have no room, or are slow. Beyond: a response is cut. */
const MAX_BODY_MEMORY_BYTES = 268_435_456;

/** What a started server can tell of itself. */
export interface Started {
  /** As URLs, or `unix:PATH`. */
  readonly addresses: readonly string[];
  /** Why the addresses are not the expected ones, such as that of port 80; null: they are. */
  readonly notice: string | null;
  readonly applications: readonly ApplicationStatus[];
}

export class Server {
  readonly applications: Applications;
  readonly #log: Log;
  readonly #proxies: TrustedProxies;
  /** Null without TLS. */
  readonly #certificates: Certificates | null;
  readonly #connections: Connections;
  readonly #folder: TempFolder;
  readonly #fileMemory: CacheMemory;
  readonly #budget = new MemoryBudget(BODY_MEMORY_BYTES, MAX_BODY_MEMORY_BYTES);
  /** Null in all modes but development (typhon dev). */
  readonly #reloads: PageReloads | null;
  /** Null before the first configuration with routes of programs. */
  #programs: Programs | null = null;
  #configuration: Configuration;
  /** Null before the start. */
  #site: Site | null = null;
  #hasStarted = false;
  #isStopped = false;
  /** Whether /readyz may say yes. */
  #mayBeReady = true;

  constructor(configuration: Configuration, log: Log, accessLog: AccessLog | null) {
    const { listeners, tls, process } = configuration;
    this.#configuration = configuration;
    this.#log = log;
    this.#reloads = process.developing ? new PageReloads() : null;
    // A page that reloads while new code loads has the files as they were saved.
    this.#fileMemory = new CacheMemory(undefined, process.developing ? 0 : undefined);
    this.#proxies = new TrustedProxies(
      listeners.forwardedAllowIps,
      requestIds(),
      listeners.headerMap,
    );
    const isTrustedProxy = (address: string): boolean => this.#proxies.isTrusted(address);
    this.#certificates = tls === null ? null : new Certificates({ ...configuration, tls }, log);
    this.#connections = new Connections(configuration, {
      workers: workersOf(configuration),
      certificates: this.#certificates?.store ?? null,
      isTrustedProxy,
      onExchange: (exchange) => this.#route(exchange),
      onFinish: (exchange) => {
        // A developer's browser asks for these all the time.
        const isOwn = this.#reloads !== null && isBelow(exchange.path, DEVELOPMENT_PATH);
        if (!isOwn) accessLog?.write(exchange);
      },
      onRefused: (error, address) => accessLog?.writeRefused(address, error),
      onFailed: ({ reason, remoteAddress: client }) =>
        log.debug(
          "connection.failed",
          `a connection of ${client || "a local client"} has ended before its first request: ${reason}`,
          { client, reason },
        ),
      onFault: (error) => this.#logFault(error),
    });
    const { openFiles } = this.#connections;
    const { tempDir: parent, maxTempSize: maxBytes } = process;
    this.#folder = new TempFolder({ parent, maxBytes, openFiles });
    this.applications = new Applications(configuration, {
      log,
      folder: this.#folder,
      openFiles,
      budget: this.#budget,
      isTrustedProxy,
    });
    this.applications.onReloadNeeded = (): void => void this.reload();
  }

  /**
   * Loads the applications, and only then listens, or takes the connections of `opened`; only once, also after a
   * stop. Rejects with OperatorError if one does not load or an address cannot be had; nothing is left running then.
   */
  async start(opened: OpenedListeners | null = null): Promise<Started> {
    if (this.#hasStarted) throw new OperatorError("a server can be started only once");
    this.#hasStarted = true;
    this.#connections.begin(opened);
    try {
      await this.#certificates?.load();
      this.#goOn();
      await this.applications.start();
      this.#site = await this.#openSite(this.#configuration, this.applications.all);
      const { cgi } = this.#configuration;
      if (cgi !== null) await this.#programs?.prepare(cgi);
      this.#goOn();
      const notice = await this.#connections.listen(opened);
      this.#goOn();
      this.#certificates?.start();
      this.applications.resume();
      this.applications.listening();
      const { addresses } = this.#connections;
      return { addresses, notice, applications: this.applications.status() };
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  /**
   * Loads the code of the applications anew; with a new configuration its applications, routes and certificates serve
   * from now on, while listeners, logs and process stay, and whether there is TLS. Null, or why the old code, or the
   * old configuration, goes on.
   */
  async reload(wanted = this.#configuration): Promise<string | null> {
    const { tls: running } = this.#configuration;
    // A site without listeners of TLS must not redirect to them, and one that has them goes on so.
    const tls = running === null ? null : (wanted.tls ?? running);
    const configuration = { ...wanted, tls };
    const { cgi } = configuration;
    return await this.applications.reload(configuration.applications, async (applications) => {
      const site = await this.#openSite(configuration, applications);
      if (cgi !== null) await this.#programs?.prepare(cgi);
      if (tls !== null) await this.#certificates?.replace({ ...configuration, tls });
      this.#site = site;
      this.#configuration = configuration;
      if (cgi !== null) this.#programs?.change(cgi);
      this.#connections.openFiles.expectWorkers(workersOf(configuration));
    });
  }

  /** From now on /readyz responds with 503, so that load balancers choose other servers; all else goes on. */
  failReadiness(): void {
    this.#mayBeReady = false;
  }

  /** Development: requests wait for new code until `resume`. */
  hold(): void {
    this.#reloads?.begin();
    this.applications.hold();
  }

  /** Development: the requests that waited go on, and pages of a browser reload. */
  resume(): void {
    this.applications.resume();
    this.#reloads?.tell("page");
  }

  /** Development: files that pages consist of have changed. Routes forget what they know of files. */
  async refresh(change: PageChange): Promise<void> {
    if (this.#site === null || this.#reloads === null) return;
    this.#site = await this.#openSite(this.#configuration, this.applications.all);
    this.#reloads.begin();
    this.#reloads.tell(change);
  }

  /** Stops accepting, lets requests finish for at most `graceMs`, then cuts what is left and ends the workers. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    this.failReadiness();
    this.#reloads?.close();
    const drained = this.#connections.drain(graceMs);
    await Promise.all([
      this.applications.stop(graceMs, drained),
      this.#programs?.stop(graceMs, drained),
      this.#certificates?.stop(graceMs),
    ]);
    this.#connections.end();
    await this.#folder.remove();
  }

  /** Throws OperatorError where `stop` was called during the start, which must open nothing more. */
  #goOn(): void {
    if (this.#isStopped) throw new OperatorError("the server was stopped during its start");
  }

  async #openSite(
    configuration: Configuration,
    applications: readonly PythonApplication[],
  ): Promise<Site> {
    return await Site.open(configuration, {
      applications: new Map(applications.map((one) => [one.name, one])),
      isReady: (name) => this.#mayBeReady && (name === null || this.applications.isReady(name)),
      keyAuthorizationOf:
        (configuration.tls?.acme ?? null) === null
          ? null
          : async (token) => (await this.#certificates?.keyAuthorization(token)) ?? null,
      programs: this.#programsOf(configuration),
      reloads: this.#reloads,
      httpsPort: () => this.#connections.httpsPort,
      fileMemory: this.#fileMemory,
      openFiles: this.#connections.openFiles,
      onUnreadable: (folder, name, code) =>
        this.#log.warning("files.unreadable", "a file cannot be read", { folder, name, code }),
      onFailure: (text) => this.#log.error("route.failed", text, {}),
    });
  }

  #programsOf({ cgi }: Configuration): CgiContext | null {
    if (cgi === null) return null;
    this.#programs ??= new Programs(cgi, {
      log: this.#log,
      folder: this.#folder,
      openFiles: this.#connections.openFiles,
      budget: this.#budget,
      isTrustedProxy: (address) => this.#proxies.isTrusted(address),
      reroute: (exchange) => this.#route(exchange, false),
    });
    return this.#programs.contextOf(cgi);
  }

  /** `isNew`: false after a local redirect. */
  #route(exchange: Exchange, isNew = true): void {
    try {
      const refused = isNew ? this.#proxies.identify(exchange) : null;
      if (refused !== null) exchange.fail(refused);
      else if (this.#site === null) exchange.fail(ERRORS.NO_WORKERS);
      else this.#site.handle(exchange);
    } catch (error) {
      // A fault of ours is the end of one request, never of the others.
      this.#logFault(error);
      exchange.fail(ERRORS.SERVER_FAULT);
    }
  }

  #logFault(error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.#log.error("server.fault", `a fault of Typhon: ${stack ?? String(error)}`, {});
  }
}

/** Reads the files that a configuration names. Rejects with OperatorError; nothing changes. */
export async function checkFiles({ routes, tls }: Configuration): Promise<void> {
  await readPolicyFiles(routes.map(({ policy }) => policy));
  if (tls !== null) await checkCertificates(tls);
}

function workersOf({ applications }: Configuration): number {
  return applications.reduce((sum, { workers }) => sum + workers, 0);
}
