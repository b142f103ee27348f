// Whether a route of files would send the source of CGI programs: their folder is in the folder of the files, and
// no other route has the path at which the files would be sent.

import { realpathSync } from "node:fs";
import { join, relative } from "node:path";

import type { CgiTarget, StaticTarget } from "./configuration.ts";
import { quote, type Mistakes } from "./operator-error.ts";
import { isBelow } from "./route-values.ts";
import type { RouteDraft } from "./routes.ts";

type DraftOf<T> = RouteDraft & { readonly target: T };

/** Adds a mistake for each route of files that would send the source of programs. */
export function checkProgramSources(drafts: readonly RouteDraft[], mistakes: Mistakes): void {
  const files = drafts.filter((one): one is DraftOf<StaticTarget> => one.target.kind === "static");
  const programs = drafts.filter((one): one is DraftOf<CgiTarget> => one.target.kind === "cgi");
  const reported = new Set<string>();
  for (const folder of files)
    for (const { by, target } of programs) {
      const path = pathOfSource(folder, target.place);
      if (path === null || isCovered(path, folder, drafts)) continue;
      const text = `${folder.by} would send the source of the programs of ${by}, at ${quote(path || "/")}; put the programs into another folder, or run them at that path`;
      if (!reported.has(text)) mistakes.add(text);
      reported.add(text);
    }
}

/**
 * Has routes of files send nothing of programs, though a link below their folder may lead there. `idle`: folders of
 * programs without a route.
 */
export function hidePrograms(drafts: readonly RouteDraft[], idle: readonly string[]): RouteDraft[] {
  const run = drafts.flatMap(({ target }) => (target.kind === "cgi" ? [target.place] : []));
  const places = [...run, ...idle];
  return drafts.map((one) => {
    const { target } = one;
    if (target.kind !== "static" || places.length === 0) return one;
    const ways = places.flatMap((place) => waysTo(target, place));
    const hidden = ways
      .filter((way) => way !== "")
      .map((way) => Buffer.from(way).toString("latin1"));
    return { ...one, target: { ...target, hidden } };
  });
}

/** The path at which a route of files would send what is at `place`; null: at none. */
function pathOfSource({ path, target }: DraftOf<StaticTarget>, place: string): string | null {
  const [below] = waysTo(target, place);
  if (below === undefined) return null;
  const sent = join("/", target.stripPrefix ? path : "", below).replace(/\/$/, "");
  return isBelow(sent, path) ? sent : null;
}

/** The ways from a folder of files down to `place`. */
function waysTo({ folder, followSymlinks }: StaticTarget, place: string): string[] {
  const ways = [
    relative(realpathSync(folder), realpathSync(place)),
    // A link in the folder that leads to the programs.
    ...(followSymlinks ? [relative(folder, place)] : []),
  ];
  return ways.filter((way) => way !== ".." && !way.startsWith("../"));
}

/** Whether a longer path of the same host has another route. */
function isCovered(sent: string, files: RouteDraft, drafts: readonly RouteDraft[]): boolean {
  return drafts.some(
    ({ host, path }) =>
      host === files.host && path.length > files.path.length && isBelow(sent, path),
  );
}
