// How long a request may run, by its path. Pure.

import { isBelow } from "./router.ts";

export interface RouteTimeout {
  /** "/reports"; holds for that path and all below it. */
  readonly prefix: string;
  readonly ms: number;
}

/** 0 = without end. */
interface Times {
  readonly timeoutMs: number;
  readonly gapTimeoutMs: number;
}

/**
 * Gives the times for a path: of the longest prefix that fits, `routes` in that order, else `ms`; between
 * chunks `gapMs` where no prefix fits.
 */
export function routeTimeouts(
  routes: readonly RouteTimeout[],
  ms: number,
  gapMs: number,
): (path: string) => Times {
  const usual = { timeoutMs: ms, gapTimeoutMs: gapMs };
  if (routes.length === 0) return () => usual;
  const times = routes.map((route) => ({
    prefix: route.prefix,
    times: { timeoutMs: route.ms, gapTimeoutMs: route.ms },
  }));
  return (path) => {
    const found = times.find(({ prefix }) => isBelow(path, prefix));
    return found === undefined ? usual : found.times;
  };
}

/** The shortest of some times, where 0 is no limit; Infinity: none is a limit. */
export function leastTimeoutMs(times: readonly number[]): number {
  return Math.min(...times.filter((ms) => ms > 0));
}
