// What a server serves: the routes of the configuration, and a handler for each. A site is made anew when the
// configuration changes, and takes the place of the old one in one moment. Applications are not part of a site:
// they have a life of their own.
//
//   request ─▶ page of the server (health, challenges) ─▶ host and path have a route? ─▶ redirect to https
//                                          ─▶ connection made for another host's client certificates? 421 ─▶ route

import type {
  CgiTarget,
  Configuration,
  RouteConfiguration,
  RoutePolicy,
  RouteTarget,
  StaticTarget,
} from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import {
  AcmeChallengeHandler,
  CHALLENGE_PATH,
  type KeyAuthorizationOf,
} from "./handlers/builtin/acme-challenge.ts";
import { FixedResponseHandler, RedirectHandler } from "./handlers/builtin/fixed-response.ts";
import {
  LIVENESS_PATH,
  LivenessHandler,
  READINESS_PATH,
  ReadinessHandler,
} from "./handlers/builtin/health.ts";
import type { CgiContext } from "./handlers/cgi/context.ts";
import { CgiHandler } from "./handlers/cgi/handler.ts";
import { HttpsRedirectHandler } from "./handlers/builtin/https-redirect.ts";
import { DevelopedPages } from "./handlers/development/developed-pages.ts";
import { DEVELOPMENT_PATH, type PageReloads } from "./handlers/development/page-reloads.ts";
import { CompressingHandler } from "./handlers/policy/compression.ts";
import { PolicyHandler } from "./handlers/policy/policy-handler.ts";
import type { CacheMemory } from "./handlers/static/file-cache.ts";
import { StaticHandler } from "./handlers/static/static-handler.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange, Handler } from "./http/exchange.ts";
import { canOpenBelow, type FileCount } from "./net/file-tree.ts";
import { canonicalPath } from "./routing/canonical-path.ts";
import { ClientPolicies } from "./routing/client-policies.ts";
import { routeTimeouts } from "./routing/route-timeouts.ts";
import { hostName, isBelow, Router, type Route } from "./routing/router.ts";

/** What the handlers of a site share. */
export interface SiteContext {
  /** The handler of each application, by its name. */
  readonly applications: ReadonlyMap<string, Handler>;
  /** Whether the application of a name can take requests; null: the server itself. */
  readonly isReady: (application: string | null) => boolean;
  /** Of CGI routes; null: there is none. */
  readonly programs: CgiContext | null;
  /** Responds to challenges of certificate authorities; null: no certificate is ordered. */
  readonly keyAuthorizationOf: KeyAuthorizationOf | null;
  /** Pages that reload themselves (typhon dev); null: in all other modes. */
  readonly reloads: PageReloads | null;
  /** The port at which this server speaks TLS. */
  readonly httpsPort: () => number;
  /** Memory of the files of all static routes, also of sites that follow one another. */
  readonly fileMemory: CacheMemory;
  readonly openFiles: FileCount;
  /** A file below the folder of a static route cannot be read. `code`: the system's. */
  readonly onUnreadable: (folder: string, name: string, code: string) => void;
  /** A file that a route uses has changed and cannot be used; the earlier content stays. */
  readonly onFailure: (text: string) => void;
}

/** A page of the server itself, for every host. Other methods than GET and HEAD are left to the routes. */
interface Page {
  readonly path: string;
  /** Whether the page is at `path` alone, not at the paths below it. */
  readonly isExact: boolean;
  readonly handler: Handler;
}

type SiteConfiguration = Pick<Configuration, "applications" | "routes" | "process" | "tls">;

export class Site implements Handler {
  readonly #pages: readonly Page[];
  readonly #router: Router;
  /** Null: requests without TLS are served. */
  readonly #redirect: HttpsRedirectHandler | null;
  /** Null: no host asks for client certificates. */
  readonly #policies: ClientPolicies | null;

  private constructor(
    routes: readonly Route[],
    pages: readonly Page[],
    { tls }: SiteConfiguration,
    { httpsPort }: SiteContext,
  ) {
    this.#pages = pages;
    this.#router = new Router(routes);
    this.#redirect = tls?.redirect === true ? new HttpsRedirectHandler(httpsPort) : null;
    const clients = tls?.clients ?? [];
    this.#policies = clients.length === 0 ? null : new ClientPolicies(clients);
  }

  /** Reads what the routes name: files of passwords, error pages. Rejects with OperatorError. */
  static async open(configuration: SiteConfiguration, context: SiteContext): Promise<Site> {
    const { routes } = configuration;
    const made = await Promise.all(routes.map((route) => openRoute(route, context)));
    return new Site(made, openPages(configuration, context), configuration, context);
  }

  handle(exchange: Exchange): void {
    const head = exchange.effectiveHead;
    const path = canonicalPath(head.path);
    if (path === null) {
      exchange.fail(ERRORS.NOT_FOUND);
      return;
    }
    exchange.path = path;
    const page = this.#pageAt(head.method, path);
    const found = page ?? this.#router.match(head, path);
    if ("code" in found) exchange.fail(found);
    else if (page !== null) page.handle(exchange);
    else if (this.#redirect !== null && isRedirected(exchange)) this.#redirect.handle(exchange);
    else {
      const refusal = this.#policies?.refusal(hostName(head), exchange.tls) ?? null;
      if (refusal === null) found.handle(exchange);
      else exchange.fail(refusal);
    }
  }

  #pageAt(method: string, path: string): Handler | null {
    for (const page of this.#pages)
      if (page.isExact ? path === page.path : isBelow(path, page.path))
        return method === "GET" || method === "HEAD" ? page.handler : null;
    return null;
  }
}

/** A route may have the challenges of a program that orders certificates, such as certbot. */
function isRedirected({ scheme, path }: Exchange): boolean {
  return scheme === "http" && !isBelow(path, CHALLENGE_PATH);
}

function openPages(configuration: SiteConfiguration, context: SiteContext): readonly Page[] {
  const { keyAuthorizationOf, reloads } = context;
  const pages: Page[] = [];
  if (configuration.process.health) {
    const readiness = new ReadinessHandler(readinessPaths(configuration, context));
    pages.push({ path: LIVENESS_PATH, isExact: true, handler: new LivenessHandler() });
    pages.push({ path: READINESS_PATH, isExact: false, handler: readiness });
  }
  if (keyAuthorizationOf !== null) {
    const handler = new AcmeChallengeHandler(keyAuthorizationOf);
    pages.push({ path: CHALLENGE_PATH, isExact: false, handler });
  }
  if (reloads !== null) pages.push({ path: DEVELOPMENT_PATH, isExact: false, handler: reloads });
  return pages;
}

/** Whether each application can take requests, by the path that asks for it. A site of files alone is ready. */
function readinessPaths(
  configuration: SiteConfiguration,
  { isReady }: SiteContext,
): ReadonlyMap<string, () => boolean> {
  const first = defaultApplication(configuration);
  const paths = new Map([[READINESS_PATH, () => isReady(first)]]);
  for (const { name } of configuration.applications) {
    // The name of a mounted application begins with a slash; the only application may have no name.
    const words = Buffer.from(name).toString("latin1").replace(/^\//, "");
    if (words !== "") paths.set(`${READINESS_PATH}/${words}`, () => isReady(name));
  }
  return paths;
}

/** The application of every host and path, else the first; null: there is none. */
function defaultApplication({ routes, applications }: SiteConfiguration): string | null {
  const route = routes.find(({ host, path, target }) => {
    return host === "" && path === "" && target.kind === "application";
  });
  if (route?.target.kind === "application") return route.target.application;
  return applications[0]?.name ?? null;
}

async function openRoute(route: RouteConfiguration, context: SiteContext): Promise<Route> {
  const { host, path, target, policy } = route;
  const inner = targetHandler(target, path, context);
  const guarded = await PolicyHandler.open(policy, inner, context.onFailure);
  const coded = isCompressed(target, policy) ? new CompressingHandler(guarded) : guarded;
  const { reloads } = context;
  const handler = reloads === null ? coded : new DevelopedPages(coded, reloads);
  const readsSentPath = target.kind === "application";
  return { host, path, readsSentPath, handler };
}

function targetHandler(target: RouteTarget, path: string, context: SiteContext): Handler {
  if (target.kind === "redirect") return new RedirectHandler({ ...target, prefix: path });
  if (target.kind === "respond")
    return new FixedResponseHandler(target.status, target.contentType, target.body);
  if (target.kind === "static") return staticHandler(target, path, context);
  if (target.kind === "cgi") return cgiHandler(target, path, context);
  const handler = context.applications.get(target.application);
  if (handler === undefined)
    throw new OperatorError(`no application is named "${target.application}"`);
  return handler;
}

function staticHandler(target: StaticTarget, path: string, context: SiteContext): Handler {
  if (!canOpenBelow()) throw new OperatorError("files are served only where /proc is mounted");
  const { folder, stripPrefix, ...options } = target;
  const { fileMemory: memory, openFiles: count, onUnreadable } = context;
  return new StaticHandler({
    ...options,
    folder,
    prefix: stripPrefix ? path : "",
    memory,
    count,
    onUnreadable: (name, code) => onUnreadable(folder, name, code),
  });
}

function cgiHandler(target: CgiTarget, prefix: string, { programs }: SiteContext): Handler {
  if (!canOpenBelow()) throw new OperatorError("programs are run only where /proc is mounted");
  if (programs === null) throw new OperatorError("CGI programs have no launcher");
  const { routeTimeouts: routes, timeoutMs: usualMs, ...options } = target;
  const make = (timeoutMs: number): Handler =>
    new CgiHandler({ ...options, timeoutMs, prefix, context: programs });
  const usual = make(usualMs);
  if (routes.length === 0) return usual;
  const timesOf = routeTimeouts(routes, usualMs, usualMs);
  const others = new Map(routes.map(({ ms }) => [ms, make(ms)]));
  return {
    handle: (exchange) => (others.get(timesOf(exchange.path).timeoutMs) ?? usual).handle(exchange),
  };
}

function isCompressed({ kind }: RouteTarget, { compress }: RoutePolicy): boolean {
  return compress === "all" || (compress === "files" && kind === "static");
}
