// How long a request may run, by its path. Pure.

export interface RouteTimeout {
  /** "/reports"; holds for that path and all below it. */
  readonly prefix: string;
  readonly ms: number;
}

/** Gives the seconds for a path: of the longest prefix that fits, `routes` in that order, else `ms`. */
export function routeTimeouts(
  routes: readonly RouteTimeout[],
  ms: number,
): (path: string) => number {
  const seconds = ms / 1000;
  if (routes.length === 0) return () => seconds;
  return (path) => {
    const route = routes.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
    return route === undefined ? seconds : route.ms / 1000;
  };
}

/** The shortest time of all, seconds; Infinity: there is none. */
export function leastTimeout(routes: readonly RouteTimeout[], ms: number): number {
  const times = [ms, ...routes.map((route) => route.ms)].filter((time) => time > 0);
  return Math.min(...times) / 1000;
}
