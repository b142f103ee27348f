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
import { MountHandler } from "./handlers/builtin/mount.ts";
import { CompressingHandler } from "./handlers/policy/compression.ts";
import type { CacheMemory } from "./handlers/static/file-cache.ts";
import { StaticHandler } from "./handlers/static/static-handler.ts";
import { ERRORS } from "./http/error.ts";
import type { Exchange, Handler } from "./http/exchange.ts";
import { canOpenBelow, type FileCount } from "./net/file-tree.ts";
import { canonicalPath } from "./routing/canonical-path.ts";
import { Router, type Route } from "./routing/router.ts";

/** What the handlers of a site share. */
export interface SiteSurroundings {
  /** The handler of each application, by its name. */
  readonly applications: ReadonlyMap<string, Handler>;
  /** Whether every application can take requests. */
  readonly isReady: () => boolean;
  /** Memory of the files of all static routes. */
  readonly fileMemory: CacheMemory;
  /** Counts open files. */
  readonly fileCount: FileCount;
  /** A file of a static route, or its folder, cannot be read. `code`: the system's. */
  readonly onUnreadableFile: (folder: string, name: string, code: string) => void;
}

export class Site implements Handler {
  readonly #surroundings: SiteSurroundings;
  readonly #router: Router;

  /** Throws OperatorError. */
  constructor(
    { routes, process }: Pick<Configuration, "routes" | "process">,
    surroundings: SiteSurroundings,
  ) {
    this.#surroundings = surroundings;
    this.#router = new Router([
      ...routes.map((route) => this.#routeOf(route)),
      ...(process.health ? HEALTH_PATHS.map((path) => this.#healthRoute(path)) : []),
    ]);
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

  #routeOf({ host, path, target, policy }: RouteConfiguration): Route {
    const inner = this.#handlerOf(target, path);
    const handler = isCompressed(target, policy) ? new CompressingHandler(inner) : inner;
    return { host, path, isExact: false, methods: null, handler };
  }

  #handlerOf(target: RouteTarget, path: string): Handler {
    if (target.kind === "redirect") return new RedirectHandler({ ...target, prefix: path });
    if (target.kind === "respond")
      return new FixedResponseHandler(target.status, target.contentType, target.body);
    if (target.kind === "static") return this.#filesOf(target, path);
    const handler = this.#surroundings.applications.get(target.application);
    if (handler === undefined)
      throw new OperatorError(`no application is named "${target.application}"`);
    return path === "" ? handler : new MountHandler(path, handler);
  }

  #filesOf(target: StaticTarget, path: string): Handler {
    if (!canOpenBelow()) throw new OperatorError("files are served only where /proc is mounted");
    const { folder, stripPrefix, listing, followSymlinks, fallback } = target;
    const { fileMemory: memory, fileCount: count, onUnreadableFile } = this.#surroundings;
    const prefix = stripPrefix ? path : "";
    const onUnreadable = (name: string, code: string): void => onUnreadableFile(folder, name, code);
    return new StaticHandler({
      folder,
      prefix,
      listing,
      followSymlinks,
      fallback,
      memory,
      count,
      onUnreadable,
    });
  }

  #healthRoute(path: string): Route {
    const handler = new HealthHandler(this.#surroundings.isReady);
    return { host: "", path, isExact: true, methods: HEALTH_METHODS, handler };
  }
}

function isCompressed({ kind }: RouteTarget, { compress }: RoutePolicy): boolean {
  return compress === "all" || (compress === "files" && kind === "static");
}
