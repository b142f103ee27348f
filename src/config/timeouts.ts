// The times of --timeout: one for all paths, and others for a path and all paths below it.

import type { ApplicationConfiguration } from "./configuration.ts";
import { OPTIONS } from "./schema.ts";
import type { Sources } from "./sources.ts";

export function readTimeouts(
  sources: Sources,
): Pick<ApplicationConfiguration, "timeoutMs" | "asgiTimeoutMs" | "routeTimeouts"> {
  const given = sources.all(OPTIONS.timeout).map(({ value }) => value);
  const all = given.findLast(({ prefix }) => prefix === "");
  const usual = OPTIONS.timeout.read(OPTIONS.timeout.fallback ?? "0");
  // If a path is given twice, the last value holds, as for every option.
  const byPrefix = new Map(given.map((timeout) => [timeout.prefix, timeout]));
  byPrefix.delete("");
  const routes = [...byPrefix.values()].toSorted((a, b) => b.prefix.length - a.prefix.length);
  const { ms } = all ?? usual;
  return { timeoutMs: ms, asgiTimeoutMs: all === undefined ? 0 : ms, routeTimeouts: routes };
}
