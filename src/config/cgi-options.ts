// The options of CGI: the programs of a route, and what all programs of a server share.

import { dirname, resolve } from "node:path";

import type { WorkingFolder } from "./app-text.ts";
import type { CgiConfiguration, CgiTarget } from "./configuration.ts";
import { usableCores } from "./cores.ts";
import { findInterpreter } from "./interpreter.ts";
import type { LaunchedBy } from "./launched-by.ts";
import { asNamed } from "./named-paths.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { kindOf, mayEnter, mayRead, mayRun } from "./paths.ts";
import { OPTIONS } from "./schema.ts";
import type { Environment, GivenValue, Sources } from "./sources.ts";
import { readTimeouts } from "./timeouts.ts";

/** Programs wait for disks and networks more than they compute. */
const PROGRAMS_A_CORE = 4;
/** Each template imports all of them. */
export const MAX_PRELOADED = 64;

export interface CgiContext {
  readonly environment: Environment;
  readonly launchedBy: LaunchedBy;
  readonly working: WorkingFolder;
}

/** The programs of a route. Throws OperatorError. */
export function readCgiTarget(
  given: GivenValue<string>,
  sources: Sources,
  context: CgiContext,
): CgiTarget {
  const { cwd, links } = context.working;
  const runsPython = sources.one(OPTIONS.cgiRunPy);
  const place = asNamed(placeOf(given, runsPython), cwd, links);
  const preload = sources.all(OPTIONS.cgiPreload);
  const [first] = preload;
  if (first !== undefined && preload.length > MAX_PRELOADED)
    throw new OperatorError(
      `${first.by} has ${preload.length} modules; give at most ${MAX_PRELOADED}`,
    );
  const { timeoutMs, routeTimeouts } = readTimeouts(sources);
  return {
    kind: "cgi",
    place,
    python: runsPython ? interpreterOf(sources, context, dirname(place)) : "",
    isWarm: sources.one(OPTIONS.cgiWarm) === "auto",
    preload: preload.map(({ value }) => value),
    passesAuthorization: sources.one(OPTIONS.cgiPassAuthorization),
    env: Object.fromEntries(sources.merged(OPTIONS.cgiEnv).map(({ value }) => value)),
    timeoutMs,
    routeTimeouts,
  };
}

/** What the CGI programs of a server share. `folder`: where `.venv` may be. Throws OperatorError. */
export function readCgi(sources: Sources, context: CgiContext, folder: string): CgiConfiguration {
  return {
    python: interpreterOf(sources, context, folder),
    concurrency: sources.ask(OPTIONS.cgiConcurrency)?.value ?? PROGRAMS_A_CORE * usableCores(),
    queue: sources.one(OPTIONS.cgiQueue),
    queueTimeoutMs: sources.one(OPTIONS.queueTimeout),
    templateIdleMs: sources.one(OPTIONS.cgiTemplateIdle),
    maxResponseSpill: sources.one(OPTIONS.maxResponseSpill),
  };
}

/** A folder that this user may enter, or a program that this user may run. */
function placeOf(given: GivenValue<string>, runsPython: boolean): string {
  const { by, text, value, folder } = given;
  const place = resolve(folder, value);
  const kind = kindOf(place);
  if (kind === "folder" && mayEnter(place)) return place;
  if (kind === "file" && (mayRun(place) || (isPython(place) && runsPython && mayRead(place))))
    return place;
  const what = `${by} ${quote(text)}`;
  if (kind === "folder" || kind === "closed")
    throw new OperatorError(
      `${what} is closed to this user; give this user the right to enter it, or name another`,
    );
  if (kind !== "file")
    throw new OperatorError(`${what} is no folder and no program; name one that exists`);
  const other = isPython(place) ? ", or --cgi-run-py" : "";
  throw new OperatorError(
    `${what} is a file that this user may not run: chmod +x ${quote(place)}${other}`,
  );
}

function isPython(file: string): boolean {
  return file.endsWith(".py");
}

function interpreterOf(
  sources: Sources,
  { environment, launchedBy, working }: CgiContext,
  folder: string,
): string {
  const python = sources.ask(OPTIONS.python);
  const asked = python && { by: python.by, text: python.value, folder: python.folder };
  return findInterpreter({ asked, environment, launchedBy, cwd: working.cwd, folders: [folder] });
}
