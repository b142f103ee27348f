// Which handler responds to a request, by host, path and method. Pure: sees heads, never sockets.
//
// A route for one exact path wins over all others: the server's own pages. Else the most specific host wins (an
// exact name, then the longest "*." pattern, then every host), and for one host the longest path. A request that
// matches no path of a specific host is left to the less specific hosts. Paths match at segment borders: "/api" stands for /api and /api/v1, not for /apis.

import { ERRORS, type HttpError } from "../http/error.ts";
import type { Handler } from "../http/exchange.ts";
import type { RequestHead } from "../http/message.ts";
import { hostNameOf } from "../net/host-name.ts";
import { decodedPath } from "./canonical-path.ts";

export interface Route {
  /** "example.com", "*.example.com" for every name below it, or "" for every host; as `hostNameOf` writes it. */
  readonly host: string;
  /** "" for every path, or "/prefix" without a trailing slash, canonical (canonical-path.ts). */
  readonly path: string;
  /** Whether the route is for `path` alone, not for the paths below it. */
  readonly isExact: boolean;
  /** Null: every method. */
  readonly methods: ReadonlySet<string> | null;
  /** Whether the handler reads the path as it was sent: an application's. */
  readonly readsSentPath: boolean;
  readonly handler: Handler;
}

export class Router {
  /** Exact paths first, then the most specific host, then the longest path. */
  readonly #routes: readonly Route[];
  /** The handler of every request, where there is only one. */
  readonly #only: Handler | null;
  /** Whether the host of a request matters at all. */
  readonly #hasHosts: boolean;

  constructor(routes: readonly Route[]) {
    this.#routes = routes.toSorted(
      (a, b) =>
        Number(b.isExact) - Number(a.isExact) ||
        specificity(b.host) - specificity(a.host) ||
        b.path.length - a.path.length,
    );
    this.#hasHosts = routes.some(({ host }) => host !== "");
    const [first, second] = this.#routes;
    const isOnly = second === undefined && first?.host === "" && first.path === "";
    this.#only = isOnly && first.methods === null && !first.isExact ? first.handler : null;
  }

  /** The handler for a request with this canonical path, or the error where no route matches. */
  match(head: RequestHead, path: string): Handler | HttpError {
    if (this.#only !== null) return this.#only;
    const host = this.#hasHosts ? hostName(head) : "";
    const route = this.#find(host, path, head.method);
    if (route === undefined) {
      const isKnown = this.#routes.some((one) => !one.isExact && isHost(host, one.host));
      return isKnown ? ERRORS.NOT_FOUND : ERRORS.HOST_UNKNOWN;
    }
    if (route.readsSentPath && path !== head.path) {
      const sent = decodedPath(head.path);
      const readings = [sent, sent.replaceAll(/\/+/g, "/")];
      const isClear = readings.every((one) => this.#find(host, one, head.method) === route);
      if (!isClear) return ERRORS.NOT_FOUND;
    }
    return route.handler;
  }

  #find(host: string, path: string, method: string): Route | undefined {
    for (const route of this.#routes) {
      const isPath = route.isExact ? path === route.path : isBelow(path, route.path);
      if (!isPath || !isHost(host, route.host)) continue;
      if (route.methods === null || route.methods.has(method)) return route;
    }
    return undefined;
  }
}

/** Whether a path is `prefix` or lies below it. */
export function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix === "" || path[prefix.length] === "/";
}

/** Sorts hosts: an exact name is more specific than a pattern, a pattern more than every host. */
function specificity(host: string): number {
  if (host === "") return 0;
  // No name is longer than 253 characters (RFC 1035 §2.3.4).
  return host.startsWith("*.") ? host.length : 1000 + host.length;
}

function isHost(name: string, host: string): boolean {
  if (host === "" || name === host) return true;
  // "*.example.com" stands for a.example.com and a.b.example.com, not for example.com.
  return host.startsWith("*.") && name.length >= host.length && name.endsWith(host.slice(1));
}

/** The host that Host names; "" where there is no Host. */
function hostName({ names, values }: RequestHead): string {
  return hostNameOf(values[names.indexOf("host")] ?? "");
}
