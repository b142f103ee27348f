// What discovery finds for a configuration that names no application and no route: once a start. A reload keeps it, so
// that a file that is being written changes nothing but code.

import { discover, type Discovery } from "../discovery/discover.ts";
import { OperatorError } from "./operator-error.ts";
import { projectNames, readProject, stringAt } from "./project-file.ts";
import type { Environment } from "./sources.ts";

/** What is to be served. */
export type Found = Exclude<Discovery, { what: "nothing" }>;
/** `nameless`: what is said of a file that names nothing, or null. Throws OperatorError if nothing is found. */
export type Discover = (folder: string, environment: Environment, nameless: string | null) => Found;

/** What to do where nothing is near. */
const USUAL_ADVICE =
  "name the application: typhon shop:app, typhon ./public for files; typhon --help has examples";

/** Looks at the first folder that is asked for, and answers the same from then on. */
export function discoverOnce(): Discover {
  let found: Found | null = null;
  return (...where) => (found ??= look(...where));
}

function look(...[folder, environment, nameless]: Parameters<Discover>): Found {
  const table = readProject(folder);
  const entrypoint = table && stringAt(table, "tool.fastapi", "entrypoint");
  const names = table === null ? [] : projectNames(table);
  const found = discover(folder, { environment, project: { entrypoint, names } });
  if (found.what !== "nothing") return found;
  const { looked, advice } = found;
  if (nameless !== null) throw new OperatorError([nameless, ...advice].join("\n"));
  const first = looked === "" ? [] : [looked];
  const last = advice.length === 0 ? [USUAL_ADVICE] : advice;
  throw new OperatorError([...first, ...last].join("\n"));
}
