// One Python application of a configuration: its options, from the flags, the variables, its table of the file and
// the file's top level; its interpreter; and its root path, which comes from the routes that lead to it.

import { dirname } from "node:path";

import { codeFolder, filePart, resolveApp, type WorkingFolder } from "./app-text.ts";
import type { ApplicationConfiguration } from "./configuration.ts";
import { usableCores } from "./cores.ts";
import { readableFile, readableFolder } from "./given-paths.ts";
import type { GunicornConf } from "./gunicorn-conf.ts";
import { chooseInterpreter } from "./interpreter.ts";
import type { LaunchedBy } from "./launched-by.ts";
import type { GivenText } from "./located.ts";
import { asNamed, nameOfCwd } from "./named-paths.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { canonicalBytes, isBelow } from "./route-values.ts";
import type { RouteDraft } from "./routes.ts";
import { OPTIONS } from "./schema.ts";
import type { Environment, GivenValue, Sources } from "./sources.ts";
import { readTimeouts } from "./timeouts.ts";

/** An application that something has named. */
export interface NamedApplication {
  readonly name: string;
  /** The text that names its code, and the folder where that text counts from. */
  readonly given: GivenText;
  /** Whether discovery has named it; imports begin in its folder then, whatever --app-dir is. */
  readonly isFound: boolean;
  /** The flags and variables, then the application's table and the top level of the file. */
  readonly sources: Sources;
  /** The variables of its --env-file. */
  readonly fromFiles: Readonly<Record<string, string>>;
}

export interface LoadContext {
  readonly environment: Environment;
  readonly launchedBy: LaunchedBy;
  readonly working: WorkingFolder;
  readonly routes: readonly RouteDraft[];
  /** The gunicorn.conf.py whose hooks are called; null: none. */
  readonly conf: Pick<GunicornConf, "path" | "hooks"> | null;
  readonly development: ApplicationConfiguration["development"];
  readonly mistakes: Mistakes;
}

/** The application, and the folder with its code. */
export interface LoadedApplication {
  readonly configuration: ApplicationConfiguration;
  readonly codeFolder: string;
}

/** Null: a mistake was found. */
export function loadApplication(
  named: NamedApplication,
  context: LoadContext,
): LoadedApplication | null {
  const { mistakes } = context;
  return mistakes.attempt(() => {
    const configuration = configure(named, context);
    const { app, appDir } = configuration;
    return { configuration, codeFolder: codeFolder(app, appDir) };
  }, null);
}

function configure(
  { name, given, isFound, sources, fromFiles }: NamedApplication,
  { environment, launchedBy, working, routes, conf, development, mistakes }: LoadContext,
): ApplicationConfiguration {
  const { cwd, links } = working;
  const chosen = isFound ? null : sources.ask(OPTIONS.appDir);
  const appDir = asNamed(chosen === null ? given.folder : readableFolder(chosen), cwd, links);
  const app = asFactory(given, resolveApp(given, appDir, working), sources.ask(OPTIONS.factory));
  const python = sources.ask(OPTIONS.python);
  const workers = sources.ask(OPTIONS.workers)?.value;
  const interpreter = chooseInterpreter({
    asked: python === null ? null : { by: python.by, text: python.value, folder: python.folder },
    environment,
    launchedBy,
    cwd,
    folders: filePart(app) === null ? [appDir] : [dirname(app), appDir],
  });
  return {
    name,
    app,
    interface: sources.one(OPTIONS.interface),
    python: interpreter.path,
    pythonWhy: interpreter.why,
    appDir,
    cwd: nameOfCwd(cwd, appDir, links),
    env: {
      ...fromFiles,
      ...Object.fromEntries(sources.merged(OPTIONS.env).map(({ value }) => value)),
    },
    development,
    rootPath: mistakes.attempt(() => readRootPath(name, sources, routes), ""),
    loop: sources.one(OPTIONS.loop),
    lifespan: sources.one(OPTIONS.lifespan),
    pathsend: sources.one(OPTIONS.pathsend),
    sendfile: sources.all(OPTIONS.sendfile).flatMap((one) => {
      const { prefix, folder } = one.value;
      const path = mistakes.attempt(() => readableFolder({ ...one, value: folder }), null);
      return path === null
        ? []
        : [{ prefix: canonicalBytes(prefix), folder: asNamed(path, cwd, links) }];
    }),
    warmup: sources.all(OPTIONS.warmup).map(({ value }) => value),
    logConfig: mistakes.attempt(() => {
      const file = sources.ask(OPTIONS.logConfig);
      return file === null ? "" : asNamed(readableFile(file), cwd, links);
    }, ""),
    gunicornConf: conf?.path ?? "",
    gunicornHooks: conf?.hooks ?? [],
    // In development one process is enough, and starts soonest.
    workers: workers ?? (sources.one(OPTIONS.reload) ? 1 : usableCores()),
    areWorkersChosen: workers !== undefined,
    preload: sources.one(OPTIONS.preload),
    threads: sources.one(OPTIONS.threads),
    concurrency: sources.one(OPTIONS.concurrency),
    retry: sources.one(OPTIONS.retry),
    maxRequests: sources.one(OPTIONS.maxRequests),
    maxRequestsJitter: sources.one(OPTIONS.maxRequestsJitter),
    maxRss: sources.one(OPTIONS.maxRss),
    maxAgeMs: sources.one(OPTIONS.maxAge),
    ...readTimeouts(sources),
    loopTimeoutMs: sources.one(OPTIONS.loopTimeout),
    abandonTimeoutMs: sources.one(OPTIONS.abandonTimeout),
    cancelOnDisconnect: sources.one(OPTIONS.cancelOnDisconnect),
    startTimeoutMs: sources.one(OPTIONS.startTimeout),
    drainTimeoutMs: sources.one(OPTIONS.gracefulTimeout),
    queue: sources.one(OPTIONS.queue),
    queueTimeoutMs: sources.one(OPTIONS.queueTimeout),
    maxResponseSpill: sources.one(OPTIONS.maxResponseSpill),
    webSocketLimit: sources.one(OPTIONS.wsConcurrency),
    webSockets: {
      maxMessageBytes: sources.one(OPTIONS.wsMaxSize),
      pingIntervalMs: sources.one(OPTIONS.wsPingInterval),
      pingTimeoutMs: sources.one(OPTIONS.wsPingTimeout),
      mayCompress: sources.one(OPTIONS.wsPerMessageDeflate),
    },
  };
}

/** The application with the call that --factory means. */
function asFactory(
  { by, text }: GivenText,
  app: string,
  factory: GivenValue<boolean> | null,
): string {
  if (factory?.value !== true || app.endsWith(")")) return app;
  if (text.includes(":")) return `${app}()`;
  throw new OperatorError(
    `${factory.by} needs the name of the function: ${by} ${quote(text)} has none; for example ${text}:create_app`,
  );
}

// The one path of the application's routes. Several paths have no root path in common, unless routes say which.
function readRootPath(name: string, sources: Sources, all: readonly RouteDraft[]): string {
  const routes = all.filter(
    ({ target }) => target.kind === "application" && target.application === name,
  );
  const paths = new Set(routes.map(({ path }) => path));
  const given = sources.ask(OPTIONS.rootPath);
  if (given !== null) {
    for (const { by, path } of routes)
      if (!isBelow(path, given.value) && !isBelow(given.value, path))
        throw new OperatorError(
          `${given.by} ${quote(given.text)} does not fit ${by}, whose path is ${quote(path)}: no request would be below both`,
        );
    return given.value;
  }
  const roots = new Map(
    routes.map((route) => [(route.stripPrefix ?? paths.size === 1) ? route.path : "", route]),
  );
  const [first, second] = roots;
  if (first !== undefined && second !== undefined)
    throw new OperatorError(
      `${second[1].by} and ${first[1].by} give one application two root paths, ${quote(second[0])} and ${quote(first[0])}; give root-path, or two applications`,
    );
  return first?.[0] ?? "";
}
