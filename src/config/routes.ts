// Routes of the file and of flags. A route is read as a draft: the root path of an application, which is read
// later, comes from the paths of all its routes.

import { join, resolve } from "node:path";

import { specificity } from "../net/host-name.ts";
import type {
  RedirectStatus,
  RouteConfiguration,
  RoutePolicy,
  RouteTarget,
  StaticTarget,
} from "./configuration.ts";
import type { WorkingFolder } from "./app-text.ts";
import { readCgiTarget } from "./cgi-options.ts";
import type { ArrayTable } from "./file-tables.ts";
import { existingFile, readableFolder } from "./given-paths.ts";
import type { LaunchedBy } from "./launched-by.ts";
import { asNamed } from "./named-paths.ts";
import { nearestWord } from "./nearest.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { kindOf } from "./paths.ts";
import { canonicalBytes, REDIRECT_STATUSES, type MappedFolder } from "./route-values.ts";
import { OPTIONS, ROUTE_KEYS } from "./schema.ts";
import type { Environment, GivenValue, Sources } from "./sources.ts";

/** A route whose path is readable. `by`: what gave it, for error lines. */
export interface RouteDraft extends Omit<RouteConfiguration, "path"> {
  readonly by: string;
  readonly path: string;
  /** Whether the path is the root path of the application; null: not said. */
  readonly stripPrefix: boolean | null;
}

const TARGETS = ["app", "static", "cgi", "redirect", "respond"] as const;
type TargetKey = (typeof TARGETS)[number];

/** Each name is looked for in each folder that is asked for. */
export const MAX_INDEX_NAMES = 16;

/** Keys that only some targets have. */
const KEYS_OF_TARGETS: ReadonlyMap<string, readonly TargetKey[]> = new Map([
  [ROUTE_KEYS.stripPrefix.name, ["app", "static"]],
  [ROUTE_KEYS.index.name, ["static"]],
  [ROUTE_KEYS.listing.name, ["static"]],
  [ROUTE_KEYS.fallback.name, ["static"]],
  [ROUTE_KEYS.followSymlinks.name, ["static"]],
  [ROUTE_KEYS.status.name, ["redirect", "respond"]],
  [ROUTE_KEYS.contentType.name, ["respond"]],
  [ROUTE_KEYS.cgiRunPy.name, ["cgi"]],
  [ROUTE_KEYS.python.name, ["cgi"]],
  [ROUTE_KEYS.cgiEnv.name, ["cgi"]],
  [ROUTE_KEYS.cgiPassAuthorization.name, ["cgi"]],
  [ROUTE_KEYS.cgiWarm.name, ["cgi"]],
  [ROUTE_KEYS.cgiPreload.name, ["cgi"]],
  [ROUTE_KEYS.timeout.name, ["cgi"]],
]);

/** What the routes of one configuration share. */
export interface RouteContext {
  readonly working: WorkingFolder;
  /** For the interpreter of CGI programs. */
  readonly environment: Environment;
  readonly launchedBy: LaunchedBy;
  /** The names of [apps.NAME]. */
  readonly applications: readonly string[];
  readonly mistakes: Mistakes;
}

/** The drafts of one `[[routes]]`, one for each host; `sources` have its table. */
export function readRoute(
  { by, table }: ArrayTable,
  sources: Sources,
  context: RouteContext,
): RouteDraft[] {
  const { mistakes } = context;
  return mistakes.attempt(() => {
    const kind = targetKey(by, new Set(table.keys()), mistakes);
    const hosts = sources.all(ROUTE_KEYS.host).map(({ value }) => value);
    const policy = readPolicy(sources, mistakes);
    const target = readTarget(kind, sources, context);
    return (hosts.length === 0 ? [""] : hosts).map((host) => ({
      by,
      host,
      path: sources.one(ROUTE_KEYS.path),
      stripPrefix: sources.ask(ROUTE_KEYS.stripPrefix)?.value ?? null,
      target,
      policy,
    }));
  }, []);
}

/** The route of files, or of CGI programs, that a flag names. */
export function folderRoute(
  kind: "static" | "cgi",
  given: GivenValue<MappedFolder>,
  sources: Sources,
  context: RouteContext,
): RouteDraft[] {
  const { prefix: path, folder } = given.value;
  const by = `${given.by} ${quote(given.text)}`;
  return context.mistakes.attempt(() => {
    const [first = "", ...rest] = folder.split("=");
    const isPair = rest.length > 0 && !first.includes("/");
    if (isPair && kindOf(resolve(given.folder, folder)) === "missing")
      throw new OperatorError(
        `${by} is no folder, and a prefix begins with a slash; write ${quote(`/${folder}`)}`,
      );
    const target = readFolderTarget(kind, { ...given, value: folder }, sources, context);
    const policy = readPolicy(sources, context.mistakes);
    return [{ by, host: "", path, stripPrefix: null, target, policy }];
  }, []);
}

/** The route of an application: every host, `prefix` and all paths below it. */
export function applicationRoute(
  by: string,
  prefix: string,
  application: string,
  policy: RoutePolicy,
): RouteDraft {
  const target = { kind: "application", application } as const;
  return { by, host: "", path: prefix, stripPrefix: null, target, policy };
}

/** A route of paths at which nothing is served. */
export function absentRoute(by: string, path: string, policy: RoutePolicy): RouteDraft {
  const target = {
    kind: "respond",
    status: 404,
    contentType: ROUTE_KEYS.contentType.fallback ?? "",
    body: "Nothing is served at this path.\n",
  } as const;
  return { by, host: "", path, stripPrefix: null, target, policy };
}

/** The routes in the order in which they match, with canonical paths. Two of the same host and path are a mistake. */
export function finishRoutes(
  drafts: readonly RouteDraft[],
  mistakes: Mistakes,
): readonly RouteConfiguration[] {
  const seen = new Map<string, RouteDraft>();
  for (const draft of drafts) {
    const key = `${draft.host} ${draft.path}`;
    const first = seen.get(key);
    if (first !== undefined)
      mistakes.add(
        `${draft.by} has the same host and path as ${first.by}: ${draft.host || "every host"}, ${quote(draft.path || "/")}`,
      );
    seen.set(key, draft);
  }
  return drafts
    .map(({ host, path, target, policy }) => ({ host, path: canonicalBytes(path), target, policy }))
    .toSorted((a, b) => specificity(b.host) - specificity(a.host) || b.path.length - a.path.length);
}

/** The policy of a route; without keys of a route it asks and changes nothing. */
export function readPolicy(sources: Sources, mistakes: Mistakes): RoutePolicy {
  const own = sources.all(ROUTE_KEYS.headers);
  const names = new Set<string>();
  for (const { by, value } of own) {
    const name = value[0].toLowerCase();
    if (names.has(name)) mistakes.add(`${by} stands twice: names of fields ignore case`);
    names.add(name);
  }
  const common = sources
    .all(OPTIONS.header)
    .filter(({ value }) => !names.has(value[0].toLowerCase()));
  const headers = [...common, ...own];
  const password = sources.ask(ROUTE_KEYS.basicAuth);
  const pages = sources.ask(ROUTE_KEYS.errorPages);
  return {
    allow: sources.one(ROUTE_KEYS.allow),
    deny: sources.one(ROUTE_KEYS.deny),
    basicAuth: mistakes.attempt(() => password && existingFile(password), null),
    setHeaders: headers.flatMap(({ value: [name, value] }) =>
      value === null ? [] : [[name, value] as const],
    ),
    removeHeaders: headers.flatMap(({ value: [name, value] }) => (value === null ? [name] : [])),
    cacheControl: sources.one(ROUTE_KEYS.cacheControl),
    errorPages: mistakes.attempt(() => pages && readableFolder(pages), null),
    compress: sources.one(OPTIONS.compress),
  };
}

/** The one key of a route that names its target. Throws OperatorError. */
function targetKey(by: string, keys: ReadonlySet<string>, mistakes: Mistakes): TargetKey {
  const [target, other] = TARGETS.filter((key) => keys.has(key));
  if (target === undefined)
    throw new OperatorError(`${by} has no target; give one of ${TARGETS.join(", ")}`);
  if (other !== undefined)
    throw new OperatorError(`${by} has two targets, ${target} and ${other}; give one of them`);
  for (const key of keys) {
    const targets = KEYS_OF_TARGETS.get(key);
    if (targets?.includes(target) === false)
      mistakes.add(`${by} has ${key}, which is for ${targets.join(" and ")}, not for ${target}`);
  }
  return target;
}

function readTarget(kind: TargetKey, sources: Sources, context: RouteContext): RouteTarget {
  // A value that its reader has refused is a mistake already; the target does not matter then.
  const refused = { kind: "respond", status: 500, contentType: "", body: "" } as const;
  if (kind === "app") {
    const given = sources.ask(ROUTE_KEYS.app);
    return given === null ? refused : readApplicationTarget(given, context.applications);
  }
  if (kind === "static" || kind === "cgi") {
    const given = sources.ask(ROUTE_KEYS[kind]);
    return given === null ? refused : readFolderTarget(kind, given, sources, context);
  }
  if (kind === "redirect") {
    const given = sources.ask(ROUTE_KEYS.redirect);
    return given === null
      ? refused
      : { kind, status: readRedirectStatus(sources), to: given.value };
  }
  const given = sources.ask(ROUTE_KEYS.respond);
  return given === null ? refused : readFixedResponse(given, sources);
}

function readApplicationTarget(
  { by, text, value }: GivenValue<string>,
  applications: readonly string[],
): RouteTarget {
  if (applications.includes(value)) return { kind: "application", application: value };
  const nearest = nearestWord(value, applications);
  const known = applications.map((name) => `[apps.${name}]`).join(", ");
  const remedy =
    nearest !== null
      ? `did you mean ${nearest}?`
      : known !== ""
        ? `known: ${known}`
        : `write [apps.NAME] with app = ${quote(value)}, and app = "NAME" here`;
  throw new OperatorError(`${by} ${quote(text)} is the name of no application; ${remedy}`);
}

function readFolderTarget(
  kind: "static" | "cgi",
  given: GivenValue<string>,
  sources: Sources,
  context: RouteContext,
): RouteTarget {
  if (kind === "cgi") return readCgiTarget(given, sources, context);
  return readStatic(given, sources, context.working);
}

function readStatic(
  given: GivenValue<string>,
  sources: Sources,
  { cwd, links }: WorkingFolder,
): StaticTarget {
  const folder = asNamed(readableFolder(given), cwd, links);
  const fallback = sources.ask(ROUTE_KEYS.fallback);
  if (fallback !== null && kindOf(join(folder, fallback.value)) !== "file")
    throw new OperatorError(
      `${fallback.by} ${quote(fallback.text)} is no file of ${quote(given.text)}; name one that exists`,
    );
  return {
    kind: "static",
    folder,
    stripPrefix: sources.ask(ROUTE_KEYS.stripPrefix)?.value ?? true,
    index: readIndexNames(sources),
    listing: sources.one(OPTIONS.listing),
    followSymlinks: sources.one(ROUTE_KEYS.followSymlinks),
    hidden: [],
    fallback: canonicalBytes(fallback?.value ?? ""),
  };
}

function readIndexNames(sources: Sources): readonly string[] {
  const names = sources.all(ROUTE_KEYS.index);
  const [first] = names;
  if (first === undefined) return [sources.one(ROUTE_KEYS.index)];
  if (names.length > MAX_INDEX_NAMES)
    throw new OperatorError(
      `${first.by} has ${names.length} names; give at most ${MAX_INDEX_NAMES}`,
    );
  return names.filter(({ value }) => value !== "").map(({ value }) => canonicalBytes(value));
}

function readRedirectStatus(sources: Sources): RedirectStatus {
  const given = sources.ask(ROUTE_KEYS.status);
  if (given === null) return 302;
  const status = REDIRECT_STATUSES.find((one) => one === given.value);
  if (status !== undefined) return status;
  throw new OperatorError(
    `${given.by} ${quote(given.text)} must be one of ${REDIRECT_STATUSES.join(", ")} for a redirect`,
  );
}

/** Responses with these statuses have no content (RFC 9110 §15). */
const WITHOUT_CONTENT = new Set([204, 205, 304]);

function readFixedResponse(
  { by, text, value, kind }: GivenValue<string>,
  sources: Sources,
): RouteTarget {
  const given = sources.ask(ROUTE_KEYS.status);
  const isStatus = kind === "number" || (kind === "any" && /^\d{3}$/.test(value));
  if (isStatus && given !== null)
    throw new OperatorError(`${given.by} and respond = ${value} are two statuses; give one`);
  const status = isStatus ? Number(value) : (given?.value ?? 200);
  if (!(status >= 200 && status <= 599))
    throw new OperatorError(`${by} ${quote(text)} must be a text or a status from 200 to 599`);
  const body = isStatus ? "" : value;
  if (body !== "" && WITHOUT_CONTENT.has(status))
    throw new OperatorError(
      `${by} ${quote(text)} must be "": a response with ${status} has no text`,
    );
  return { kind: "respond", status, contentType: sources.one(ROUTE_KEYS.contentType), body };
}
