// Redirects of routes that never end: for each redirect a request is followed through the routes, as a browser would.
// Only places that this server serves for certain are followed: paths, and hosts that a route names. Pure.
//
// A route that can never match needs no warning: the most specific route comes first, and two routes of the same host
// and path are a mistake, so each route has at least the requests for its own path.

import { hostNameOf, isHost } from "../net/host-name.ts";
import type { RouteConfiguration } from "./configuration.ts";
import { isBelow } from "./route-values.ts";

/** Redirects that a browser follows: Chromium and Firefox 20. */
const MAX_REDIRECTS = 20;
/** Places of a loop that are told. */
const MAX_TOLD = 4;
/** What requests ask for below a route's path. */
const SAMPLES = ["", "/page"];

/** Where a request goes. `host`: "" = one that no route names. `path`: readable. */
interface Place {
  readonly host: string;
  readonly path: string;
}

/** A line for each route, in the order in which they match, whose redirect never ends. `hasTls`: https is served. */
export function redirectLoops(
  routes: readonly RouteConfiguration[],
  hasTls: boolean,
): readonly string[] {
  return routes.flatMap(({ host, path, target }) => {
    if (target.kind !== "redirect") return [];
    const loops = SAMPLES.map((sample) => {
      const start = { host: host.replace(/^\*/, "any"), path: readable(path) + sample || "/" };
      return follow(start, routes, hasTls);
    });
    const places = loops.find((one) => one.length > MAX_REDIRECTS);
    if (places === undefined) return [];
    const told = places.slice(0, MAX_TOLD).map((place) => place.host + place.path);
    return [`a redirect without end: ${told.join(" → ")} → …`];
  });
}

/** The places of a request, until a route responds otherwise or the redirects are too many. */
function follow(
  start: Place,
  routes: readonly RouteConfiguration[],
  hasTls: boolean,
): readonly Place[] {
  const places: Place[] = [];
  for (let place: Place | null = start; place !== null && places.length <= MAX_REDIRECTS;) {
    places.push(place);
    place = nextPlace(place, routes, hasTls);
  }
  return places;
}

/** Where the route of a place redirects; null: nowhere, or not for certain to this server. */
function nextPlace(
  { host, path }: Place,
  routes: readonly RouteConfiguration[],
  hasTls: boolean,
): Place | null {
  const route = routes.find((one) => isHost(host, one.host) && isBelow(path, readable(one.path)));
  if (route?.target.kind !== "redirect") return null;
  const rest = path.slice(readable(route.path).length);
  const filled = route.target.to.replaceAll("{path}", encodeURI(rest)).replaceAll("{query}", "");
  const to = filled.replace(/^\/\/+/, "/");
  const here = "http://unnamed.invalid";
  if (!URL.canParse(to, here)) return null;
  const url = new URL(to, here);
  const next = readablePath(url.pathname);
  if (to.startsWith("/")) return { host, path: next };
  const name = hostNameOf(url.hostname);
  const isNamed = routes.some((one) => one.host !== "" && isHost(name, one.host));
  // Another server may have the host's https, and another port.
  const isElsewhere = url.protocol === "https:" && !hasTls && name === host;
  return isNamed && !isElsewhere && url.port === "" ? { host: name, path: next } : null;
}

/** The bytes of a canonical path as text. */
function readable(path: string): string {
  return Buffer.from(path, "latin1").toString();
}

function readablePath(pathname: string): string {
  const path = pathname.replaceAll(/\/+/g, "/");
  try {
    return decodeURI(path);
  } catch {
    // No UTF-8: no route has this path.
    return path;
  }
}
