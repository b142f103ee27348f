// Which handler responds to a request, by host and path. Pure: sees heads, never sockets.
//
// The most specific host wins (an exact name, then the longest "*." pattern, then every host), and for one host the
// longest path. A request that matches no path of a specific host is left to the less specific hosts. Paths match at
// segment borders: "/api" stands for /api and /api/v1, not for /apis.

import { ERRORS, type HttpError } from "../http/error.ts";
import type { Handler } from "../http/exchange.ts";
import type { RequestHead } from "../http/message.ts";
import { hostNameOf, isHost, specificity } from "../net/host-name.ts";
import { decodedPath } from "./canonical-path.ts";

export interface Route {
  /** "example.com", "*.example.com" for every name below it, or "" for every host; as `hostName` writes it. */
  readonly host: string;
  /** "" for every path, or "/prefix" without a trailing slash, canonical (canonical-path.ts). */
  readonly path: string;
  /** Whether the handler reads the path as it was sent: an application's. */
  readonly readsSentPath: boolean;
  readonly handler: Handler;
}

export class Router {
  /** The most specific host first, then the longest path. */
  readonly #routes: readonly Route[];
  /** The handler of every request, where there is only one. */
  readonly #only: Handler | null;
  /** Whether the host of a request matters at all. */
  readonly #hasHosts: boolean;

  constructor(routes: readonly Route[]) {
    this.#routes = routes.toSorted(
      (a, b) => specificity(b.host) - specificity(a.host) || b.path.length - a.path.length,
    );
    this.#hasHosts = routes.some(({ host }) => host !== "");
    const [first, second] = this.#routes;
    const isOnly = second === undefined && first?.host === "" && first.path === "";
    this.#only = isOnly ? first.handler : null;
  }

  /** The handler for a request with this canonical path, or the error where no route matches. */
  match(head: RequestHead, path: string): Handler | HttpError {
    if (this.#only !== null) return this.#only;
    const host = this.#hasHosts ? hostName(head) : "";
    const route = this.#find(host, path);
    if (route === undefined) {
      const isKnown = this.#routes.some((one) => isHost(host, one.host));
      return isKnown ? ERRORS.NOT_FOUND : ERRORS.HOST_UNKNOWN;
    }
    if (route.readsSentPath && path !== head.path) {
      const sent = decodedPath(head.path);
      const readings = [sent, sent.replaceAll(/\/+/g, "/")];
      const isClear = readings.every((one) => this.#find(host, one) === route);
      if (!isClear) return ERRORS.NOT_FOUND;
    }
    return route.handler;
  }

  #find(host: string, path: string): Route | undefined {
    for (const route of this.#routes)
      if (isBelow(path, route.path) && isHost(host, route.host)) return route;
    return undefined;
  }
}

/** Whether a path is `prefix` or lies below it. */
export function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix === "" || path[prefix.length] === "/";
}

/** The host that Host names, as `hostNameOf` writes it; "" where there is no Host. */
export function hostName({ names, values }: RequestHead): string {
  return hostNameOf(values[names.indexOf("host")] ?? "");
}
