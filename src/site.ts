// What a server serves: the routes of the configuration, and a handler for each. A site is made anew when the
// configuration changes, and takes the place of the old one in one moment. Applications are not part of a site:
// they have a life of their own.

import type {
  Configuration,
  RouteConfiguration,
  RoutePolicy,
  RouteTarget,
  StaticTarget,
} from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { FixedResponseHandler, RedirectHandler } from "./handlers/builtin/fixed-response.ts";
import { HEALTH_METHODS, HEALTH_PATHS, HealthHandler } from "./handlers/builtin/health.ts";
import { CompressingHandler } from "./handlers/policy/compression.ts";
import { PolicyHandler } from "./handlers/policy/policy-handler.ts";
import type { CacheMemory } from "./handlers/static/file-cache.ts";
import { StaticHandler } from "./handlers/static/static-handler.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange, Handler } from "./http/exchange.ts";
import { canOpenBelow, type FileCount } from "./net/file-tree.ts";
import { canonicalPath } from "./routing/canonical-path.ts";
import { Router, type Route } from "./routing/router.ts";

/** What the handlers of a site share. */
export interface SiteContext {
  /** The handler of each application, by its name. */
  readonly applications: ReadonlyMap<string, Handler>;
  /** Whether every application can take requests. */
  readonly isReady: () => boolean;
  /** Memory of the files of all static routes, also of sites that follow one another. */
  readonly fileMemory: CacheMemory;
  readonly openFiles: FileCount;
  /** A file below the folder of a static route cannot be read. `code`: the system's. */
  readonly onUnreadable: (folder: string, name: string, code: string) => void;
  /** A file that a route uses has changed and cannot be used; the earlier content stays. */
  readonly onFailure: (text: string) => void;
}

export class Site implements Handler {
  readonly #router: Router;

  private constructor(routes: readonly Route[]) {
    this.#router = new Router(routes);
  }

  /** Reads what the routes name: files of passwords, error pages. Rejects with OperatorError. */
  static async open(
    { routes, process }: Pick<Configuration, "routes" | "process">,
    context: SiteContext,
  ): Promise<Site> {
    const made = await Promise.all(routes.map((route) => openRoute(route, context)));
    const paths = process.health ? HEALTH_PATHS : [];
    return new Site([...made, ...paths.map((path) => healthRoute(path, context))]);
  }

  handle(exchange: Exchange): void {
    const head = exchange.effectiveHead;
    const path = canonicalPath(head.path);
    if (path === null) {
      exchange.fail(ERRORS.NOT_FOUND);
      return;
    }
    exchange.path = path;
    const found = this.#router.match(head, path);
    if ("code" in found) exchange.fail(found);
    else found.handle(exchange);
  }
}

async function openRoute(route: RouteConfiguration, context: SiteContext): Promise<Route> {
  const { host, path, target, policy } = route;
  const inner = targetHandler(target, path, context);
  const guarded = await PolicyHandler.open(policy, inner, context.onFailure);
  const handler = isCompressed(target, policy) ? new CompressingHandler(guarded) : guarded;
  const readsSentPath = target.kind === "application";
  return { host, path, isExact: false, methods: null, readsSentPath, handler };
}

function targetHandler(target: RouteTarget, path: string, context: SiteContext): Handler {
  if (target.kind === "redirect") return new RedirectHandler({ ...target, prefix: path });
  if (target.kind === "respond")
    return new FixedResponseHandler(target.status, target.contentType, target.body);
  if (target.kind === "static") return staticHandler(target, path, context);
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

function healthRoute(path: string, { isReady }: SiteContext): Route {
  const handler = new HealthHandler(isReady);
  const methods = HEALTH_METHODS;
  return { host: "", path, isExact: true, methods, readsSentPath: false, handler };
}

function isCompressed({ kind }: RouteTarget, { compress }: RoutePolicy): boolean {
  return compress === "all" || (compress === "files" && kind === "static");
}
