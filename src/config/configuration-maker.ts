// Makes a checked Configuration from the sources of a command: decides which applications and routes there are, and what
// each of them gets.

import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";

import { environmentOf, isThisUser } from "./accounts.ts";
import { checkSiteFolder, siteFolder, type WorkingFolder } from "./app-text.ts";
import { readCgi } from "./cgi-options.ts";
import type { ApplicationConfiguration, CgiConfiguration, Configuration } from "./configuration.ts";
import type { Discover, Found } from "./discovered.ts";
import { readEnvFiles } from "./env-files.ts";
import { EMPTY_TABLES, readTables, type FileTables } from "./file-tables.ts";
import { NO_FLAGS, type Flags } from "./flags.ts";
import { NO_FOREIGN, USUAL_CONF, type ForeignSources } from "./foreign-sources.ts";
import { readableFile, readableFolder } from "./given-paths.ts";
import type { ConfRun, GunicornConf } from "./gunicorn-conf.ts";
import { findInterpreter } from "./interpreter.ts";
import type { LaunchedBy } from "./launched-by.ts";
import { loadApplication, type NamedApplication } from "./load-application.ts";
import type { GivenText, Table } from "./located.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { kindOf, ownerOf } from "./paths.ts";
import { checkProgramSources, hidePrograms } from "./program-sources.ts";
import {
  absentRoute,
  applicationRoute,
  finishRoutes,
  folderRoute,
  readPolicy,
  readRoute,
  type RouteDraft,
  type RouteContext,
} from "./routes.ts";
import { APP, OPTION_LIST, OPTIONS } from "./schema.ts";
import {
  earlyOf,
  isLocalOnly,
  readListeners,
  readLogs,
  readProcess,
  type Early,
} from "./server-options.ts";
import type { SettingsFile } from "./settings-file.ts";
import {
  flagLayer,
  otherVariableLayer,
  readGiven,
  Sources,
  tableLayer,
  translatedLayer,
  variableLayer,
  type Environment,
  type Layer,
} from "./sources.ts";
import { hasCertificates, readTls } from "./tls-options.ts";

/** The usual name of a folder of CGI programs, and its usual path. */
const USUAL_PROGRAMS = "cgi-bin";
/** The defaults of `typhon dev`. */
const DEVELOPMENT: Flags = {
  ...NO_FLAGS,
  texts: new Map([
    [OPTIONS.reload.name, ["true"]],
    [OPTIONS.accessLog.name, ["-"]],
  ]),
};

/** The flags, the variables and where the command was started. `mayWait`: for files that are pipes. */
interface CommandLine {
  readonly flags: Flags;
  readonly environment: Environment;
  readonly cwd: string;
  readonly mayWait: boolean;
}

export interface Command extends CommandLine {
  readonly launchedBy: LaunchedBy;
  /** The variables of --env-file. */
  readonly envFiles: Readonly<Record<string, string>>;
  readonly freeBytes: (folder: string) => number;
  /** The variables of gunicorn and uvicorn, and the gunicorn.conf.py of --gunicorn-conf. */
  readonly foreign: ForeignSources;
  readonly conf: GunicornConf | null;
  /** Null: a program names its applications itself. */
  readonly discover: Discover | null;
  /** `typhon dev`. */
  readonly isDevelopment: boolean;
}

export class ConfigurationMaker {
  readonly #mistakes: Mistakes;
  readonly #tables: FileTables;
  readonly #file: SettingsFile | null;
  /** Where relative paths of the file start. */
  readonly #folder: string;
  /** The variables without and with those of the files that `env-file` of the top level names. */
  readonly #given: Environment;
  readonly #environment: Environment;
  readonly #envFiles: Command["envFiles"];
  readonly #launchedBy: LaunchedBy;
  readonly #mayWait: boolean;
  readonly #freeBytes: Command["freeBytes"];
  readonly #discover: Command["discover"];
  #found: Found | null = null;
  readonly #isDevelopment: boolean;
  readonly #working: WorkingFolder;
  readonly #conf: GunicornConf | null;
  /** The layers before and behind the table of an application or a route. */
  readonly #before: readonly Layer[];
  readonly #behind: readonly Layer[];
  readonly #sources: Sources;
  readonly #routeContext: RouteContext;
  readonly #notices: string[] = [];

  constructor(command: Command, file: SettingsFile | null, mistakes: Mistakes) {
    const { flags, cwd: start, envFiles, foreign, conf } = command;
    const folder = file?.folder ?? start;
    const tables = file === null ? EMPTY_TABLES : readTables(file.table, folder, mistakes);
    this.#mistakes = mistakes;
    this.#tables = tables;
    this.#file = file;
    this.#folder = folder;
    this.#envFiles = envFiles;
    this.#launchedBy = command.launchedBy;
    this.#mayWait = command.mayWait;
    this.#freeBytes = command.freeBytes;
    this.#discover = command.discover;
    this.#isDevelopment = command.isDevelopment;
    const top = tableLayer(tables.top, folder, true);
    this.#given = command.environment;
    const environment = { ...this.#given, ...this.#readEnvFiles([top]) };
    this.#environment = environment;
    const layersAt = (working: string): Layer[] => [
      flagLayer(flags, working),
      variableLayer(environment, working),
      ...foreign.layers(working),
      ...(conf === null ? [] : [translatedLayer(conf.texts, working)]),
    ];
    const changed = new Sources(layersAt(start), mistakes).ask(OPTIONS.chdir);
    const cwd = mistakes.attempt(() => changed && readableFolder(changed), null) ?? start;
    this.#conf = conf;
    this.#working = { cwd, links: environment["PWD"] ?? "" };
    const usual = this.#isDevelopment ? [flagLayer(DEVELOPMENT, cwd)] : [];
    this.#before = layersAt(cwd);
    this.#behind = [top, otherVariableLayer(environment, cwd), ...usual];
    this.#notices.push(...flags.foreign.notices, ...foreign.notices, ...(conf?.notices ?? []));
    if (foreign !== NO_FOREIGN && conf === null && kindOf(resolve(start, USUAL_CONF)) === "file")
      this.#notices.push(`${USUAL_CONF} is here; --gunicorn-conf ${USUAL_CONF} reads it`);
    this.#sources = new Sources([...this.#before, ...this.#behind], mistakes);
    // Also what this site has no use for, such as --listing without a folder.
    for (const option of OPTION_LIST) this.#sources.all(option);
    const applications = tables.applications.map(({ name }) => name);
    this.#routeContext = {
      working: this.#working,
      environment,
      launchedBy: this.#launchedBy,
      applications,
      mistakes,
    };
  }

  /** Null: this process need not become another user. */
  makeEarly(): Early | null {
    const mayBecome = process.geteuid?.() === 0 && this.#sources.text(OPTIONS.user) !== null;
    if (!mayBecome) return null;
    const early = this.#early();
    return early.user === null || isThisUser(early.user) ? null : early;
  }

  /** How to run the gunicorn.conf.py that `given` names; null: a mistake was found. */
  confRun(given: ConfRun["given"]): ConfRun | null {
    const { cwd } = this.#working;
    const environment = this.#environment;
    const launchedBy = this.#launchedBy;
    return this.#mistakes.attempt(() => {
      const user = this.makeEarly()?.user ?? null;
      const python = this.#sources.ask(OPTIONS.python);
      const asked =
        python === null ? null : { by: python.by, text: python.value, folder: python.folder };
      const folders = [this.#sources.ask(OPTIONS.appDir), { folder: cwd, value: "." }].flatMap(
        (one) => (one === null ? [] : [resolve(one.folder, one.value)]),
      );
      return {
        given,
        python: findInterpreter({ asked, environment, launchedBy, cwd, folders }),
        user,
        environment,
        cwd,
      };
    }, null);
  }

  make(): Configuration {
    this.#checkFile();
    const early = this.#early();
    const { named, drafts } = this.#site();
    const development = this.#development(early);
    const loaded = named
      .map((one) =>
        loadApplication(one, {
          environment: this.#environment,
          launchedBy: this.#launchedBy,
          working: this.#working,
          routes: drafts,
          conf: this.#conf,
          development,
          mistakes: this.#mistakes,
        }),
      )
      .filter((one) => one !== null);
    this.#tellStrangers(loaded.map(({ configuration }) => configuration));
    return {
      listeners: readListeners(this.#sources, early, this.#mistakes),
      tls: readTls(this.#sources, early.bind, {
        tables: this.#tables,
        folder: this.#folder,
        environment: environmentOf(early.user, this.#environment),
        cwd: this.#working.cwd,
        mistakes: this.#mistakes,
      }),
      cgi: this.#cgi(drafts),
      applications: loaded.map(({ configuration }) => configuration),
      routes: finishRoutes(drafts, this.#mistakes),
      found: this.#found && {
        what: this.#found.what === "app" ? this.#found.app : "the files of this folder",
        why: this.#found.why,
      },
      notices: this.#notices,
      logs: readLogs(this.#sources, this.#mistakes),
      process: readProcess(this.#sources, {
        user: early.user,
        environment: this.#environment,
        cwd: this.#working.cwd,
        codeFolders: [
          ...loaded.map(({ codeFolder }) => codeFolder),
          ...(this.#isDevelopment ? foldersOf(drafts) : []),
        ],
        isDevelopment: this.#isDevelopment,
        freeBytes: this.#freeBytes,
        mistakes: this.#mistakes,
      }),
    };
  }

  #early(): Early {
    return earlyOf(this.#sources, {
      environment: this.#environment,
      hasTls: hasCertificates(this.#sources, this.#tables),
      isDevelopment: this.#isDevelopment,
      mistakes: this.#mistakes,
    });
  }

  /** What pages of exceptions show; also says in the log that others may see them. */
  #development({ bind, descriptors }: Early): "off" | "page" | "locals" {
    if (!this.#isDevelopment) return "off";
    // Where the sockets of another program listen is not known here.
    const isInherited = descriptors.length > 0 || this.#environment["LISTEN_FDS"] !== undefined;
    if (!isInherited && isLocalOnly(bind)) return "locals";
    this.#notices.push(
      "typhon dev shows source code to everybody who may connect; others than this machine may (--bind, --host, --fd), so error pages show no local variables",
    );
    return "page";
  }

  /** Root without --user would run what another user may change. */
  #tellStrangers(applications: readonly ApplicationConfiguration[]): void {
    if (process.geteuid?.() !== 0) return;
    for (const { python, pythonWhy } of applications)
      if (pythonWhy !== "" && (ownerOf(python) ?? 0) !== 0)
        this.#notices.push(
          `${python} (${pythonWhy}) belongs to another user, and root runs it; name a user with --user, or the interpreter with --python`,
        );
  }

  // The user of --user has not read it yet, and reads it at each reload.
  #checkFile(): void {
    const path = this.#file?.path ?? null;
    if (path === null || kindOf(path) === "other") return;
    const given = { by: "--config", text: path, value: path, folder: "/", kind: null };
    this.#mistakes.attempt(() => readableFile(given), "");
  }

  /** Null: no route has CGI programs, or a mistake was found. */
  #cgi(drafts: readonly RouteDraft[]): CgiConfiguration | null {
    if (!drafts.some(({ target }) => target.kind === "cgi")) return null;
    return this.#mistakes.attempt(
      () => readCgi(this.#sources, this.#routeContext, this.#folder),
      null,
    );
  }

  /** The applications and the routes that flags, variables and the file name together. */
  #site(): { named: NamedApplication[]; drafts: RouteDraft[] } {
    const sources = this.#sources;
    const mistakes = this.#mistakes;
    const { mount, static: folders, cgi } = OPTIONS;
    const { applications, routes } = this.#tables;

    const named: NamedApplication[] = [];
    const drafts: RouteDraft[] = [];
    const given = sources.text(APP);
    const hasSite = [APP, mount, folders, cgi].some((one) => sources.text(one) !== null);
    const isNamed = this.#tables.hasSite || hasSite;
    if (!isNamed) mistakes.attempt(() => this.#addFound(named, drafts), undefined);
    if (given !== null) mistakes.attempt(() => this.#addMain(given, named, drafts), undefined);
    for (const one of sources.all(mount)) {
      const { prefix, app } = one.value;
      const name = prefix === "" ? "/" : prefix;
      named.push(this.#named(name, { ...one, text: app }, sources));
      drafts.push(this.#applicationRoute(`${one.by} ${quote(one.text)}`, prefix, name));
    }
    for (const kind of ["static", "cgi"] as const)
      for (const one of sources.all(OPTIONS[kind]))
        drafts.push(...folderRoute(kind, one, sources, this.#routeContext));
    for (const route of routes)
      drafts.push(...readRoute(route, this.#sourcesWith(route.table), this.#routeContext));
    for (const { name, by, table } of applications) {
      const own = new Sources([tableLayer(table, this.#folder)], mistakes).ask(APP);
      if (own !== null) named.push(this.#named(name, own, this.#sourcesWith(table)));
      else if (!table.has(APP.name))
        mistakes.add(`${by} has no app; for example: app = "shop:app"`);
    }
    this.#routeTheRest(drafts);
    const idle = given === null ? [] : mistakes.attempt(() => this.#hideSources(given, drafts), []);
    mistakes.attempt(() => checkProgramSources(drafts, mistakes), undefined);
    return { named, drafts: mistakes.attempt(() => hidePrograms(drafts, idle), drafts) };
  }

  /** What discovery finds, where nobody has named an application or a route. Throws OperatorError. */
  #addFound(named: NamedApplication[], drafts: RouteDraft[]): void {
    const found = this.#askDiscovery();
    this.#found = found;
    const { folder, why: by } = found;
    this.#notices.push(...found.hints);
    if (found.what === "site") {
      const given = { by, text: ".", folder, kind: null };
      this.#addMain(given, named, drafts);
      this.#hideSources(given, drafts);
      return;
    }
    for (const { prefix, folder: files, by: option } of found.routes) {
      const given = {
        by: option,
        text: files,
        folder,
        kind: null,
        value: { prefix, folder: files },
      };
      drafts.push(...folderRoute("static", given, this.#sources, this.#routeContext));
    }
    const given = { by, text: found.app, folder, kind: null };
    readGiven(given, APP);
    named.push({ ...this.#named("", given, this.#sources), isFound: true });
    drafts.push(this.#applicationRoute(`${by} ${quote(found.app)}`, "", ""));
  }

  #askDiscovery(): Found {
    const file = this.#file;
    const chosen = this.#sources.ask(OPTIONS.appDir);
    const folder = chosen === null ? this.#working.cwd : readableFolder(chosen);
    const nameless =
      file && `${file.name} names no application and no route; for example: app = "shop:app"`;
    // Where `app` is of a wrong form, that is the mistake.
    if (this.#discover === null || this.#tables.top.has(APP.name))
      throw new OperatorError(nameless ?? "");
    return this.#discover(folder, this.#environment, nameless);
  }

  /** What APP, TYPHON_APP or `app` of the file names has every path that is left. Throws OperatorError. */
  #addMain(given: GivenText, named: NamedApplication[], drafts: RouteDraft[]): void {
    const folder = siteFolder(given);
    if (folder !== null) {
      const one = { ...given, value: { prefix: "", folder } };
      drafts.push(...folderRoute("static", one, this.#sources, this.#routeContext));
      return;
    }
    readGiven(given, APP);
    const others = this.#sources.all(OPTIONS.mount).length + this.#tables.applications.length;
    const name = others === 0 ? "" : "/";
    named.push(this.#named(name, given, this.#sources));
    drafts.push(this.#applicationRoute(`${given.by} ${quote(given.text)}`, "", name));
  }

  /** The source of programs in a folder of files is not sent. Returns folders that are not run. Throws OperatorError. */
  #hideSources(given: GivenText, drafts: RouteDraft[]): string[] {
    const folder = siteFolder(given);
    if (folder === null) return [];
    const usual = join(folder, USUAL_PROGRAMS);
    const places = drafts.flatMap(({ target }) => (target.kind === "cgi" ? [target.place] : []));
    if (kindOf(usual) === "folder") places.push(usual);
    checkSiteFolder(given, new Set(places.map((place) => realpathSync(place))));
    const path = `/${USUAL_PROGRAMS}`;
    const isRouted = drafts.some((one) => one.host === "" && one.path === path);
    if (isRouted || kindOf(usual) !== "folder") return [];
    const policy = readPolicy(this.#sources, this.#mistakes);
    drafts.push(absentRoute(`${given.by} ${quote(given.text)}`, path, policy));
    this.#notices.push(
      `the programs of ${usual} are not run, and their source is not sent; to run them: --cgi ${path}=${usual}`,
    );
    return [usual];
  }

  /** One application without any route serves every path; of several, each needs a route. */
  #routeTheRest(drafts: RouteDraft[]): void {
    const { applications, routes } = this.#tables;
    const [first, ...others] = applications;
    if (first !== undefined && others.length === 0 && drafts.length === 0 && routes.length === 0) {
      drafts.push(this.#applicationRoute(first.by, "", first.name));
      return;
    }
    for (const { name, by } of applications)
      if (!routes.some(({ table }) => isNamedIn(table, name)))
        this.#mistakes.add(`${by} has no route; write [[routes]] with app = "${name}"`);
  }

  #named(name: string, given: GivenText, sources: Sources): NamedApplication {
    const tables = sources.layers.filter((layer) => layer.isFile);
    const fromFiles = {
      ...this.#conf?.env,
      ...this.#readEnvFiles(tables),
      ...this.#envFiles,
    };
    return { name, given, isFound: false, sources, fromFiles };
  }

  /** The variables of the files that tables of the file name. */
  #readEnvFiles(tables: readonly Layer[]): Record<string, string> {
    const files = new Sources(tables, this.#mistakes).merged(OPTIONS.envFile);
    return this.#mistakes.attempt(() => readEnvFiles(files, this.#given, this.#mayWait), {});
  }

  #sourcesWith(table: Table): Sources {
    const own = tableLayer(table, this.#folder);
    return new Sources([...this.#before, own, ...this.#behind], this.#mistakes);
  }

  #applicationRoute(by: string, prefix: string, name: string): RouteDraft {
    return applicationRoute(by, prefix, name, readPolicy(this.#sources, this.#mistakes));
  }
}

/** The folders of files and of CGI programs that routes serve. */
function foldersOf(drafts: readonly RouteDraft[]): string[] {
  return drafts.flatMap(({ target }) => {
    if (target.kind === "static") return [target.folder];
    return target.kind === "cgi" && kindOf(target.place) === "folder" ? [target.place] : [];
  });
}

/** Whether a route leads to the application. */
function isNamedIn(table: Table, name: string): boolean {
  const app = table.get(APP.name);
  return app !== undefined && "text" in app && app.text === name;
}
