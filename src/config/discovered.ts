// What discovery finds for a configuration that names no application and no route: once a start. A reload keeps it, so
// that a file that is being written changes nothing but code.

import { createRequire } from "node:module";
import { extname } from "node:path";

import type { discover, Discovery } from "../discovery/discover.ts";
import { escapeControls, OperatorError } from "./operator-error.ts";
import { projectNames, readProject, stringAt } from "./project-file.ts";
import type { Environment } from "./sources.ts";

/** What is to be served. */
export type Found = Exclude<Discovery, { what: "nothing" }>;
/** `nameless`: what is said of a file that names nothing, or null. Throws OperatorError if nothing is found. */
export type Discover = (folder: string, environment: Environment, nameless: string | null) => Found;

/** Characters of one line about what a folder holds. */
const MAX_LINE_CHARACTERS = 500;

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
  const found = loadDiscover()(folder, { environment, project: { entrypoint, names } });
  if (found.what !== "nothing") return found;
  const { looked } = found;
  const advice = found.advice.map((line) => escapeControls(line.slice(0, MAX_LINE_CHARACTERS)));
  if (nameless !== null) throw new OperatorError([nameless, ...advice].join("\n"));
  const first = looked === "" ? [] : [looked];
  const last = advice.length === 0 ? [USUAL_ADVICE] : advice;
  throw new OperatorError([...first, ...last].join("\n"));
}

/** The modules of discovery cost 15 ms, which a start with APP does not pay. import() would make every reader wait. */
function loadDiscover(): typeof discover {
  const path = `../discovery/discover${extname(import.meta.filename)}`;
  const found: unknown = createRequire(import.meta.url)(path);
  if (!hasDiscover(found)) throw new Error(`${path} has no discover`);
  return found.discover;
}

function hasDiscover(found: unknown): found is { readonly discover: typeof discover } {
  return typeof found === "object" && found !== null && "discover" in found;
}
