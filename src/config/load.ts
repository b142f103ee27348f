// Makes a checked Configuration from the command line, the environment and the file. A flag wins over its TYPHON_…
// variable, that over the file, that over the variable of other servers, that over the default. This file decides
// which applications and routes there are, and what depends on several options or on the machine: --bind against
// --host and --port, PORT, folders.

import { tmpdir } from "node:os";
import { dirname, resolve } from "node:path";

import type { ListenAddress } from "../net/address.ts";
import { siteFolder, type WorkingFolder } from "./app-text.ts";
import { ALL_ADDRESSES, resolveBindAddress } from "./bind-address.ts";
import type { Configuration } from "./configuration.ts";
import { readEnvFiles } from "./env-files.ts";
import { EMPTY_TABLES, readTables, type FileTables } from "./file-tables.ts";
import { readFlags, type Flags } from "./flags.ts";
import { fileToMake, mayAppend, readableFolder, writableFolder } from "./given-paths.ts";
import { loadApplication, type NamedApplication } from "./load-application.ts";
import type { GivenText, Table } from "./located.ts";
import { Mistakes, OperatorError, quote } from "./operator-error.ts";
import { findOwner } from "./owner.ts";
import { kindOf, mayWriteIn } from "./paths.ts";
import {
  applicationRoute,
  finishRoutes,
  folderRoute,
  readPolicy,
  readRoute,
  type RouteDraft,
  type RouteSurroundings,
} from "./routes.ts";
import { APP, OPTION_LIST, OPTIONS } from "./schema.ts";
import {
  flagLayer,
  otherVariableLayer,
  readGiven,
  readValue,
  Sources,
  tableLayer,
  variableLayer,
  type Environment,
  type Layer,
} from "./sources.ts";
import { readTomlFile } from "./toml-file.ts";

const LOOPBACK = "127.0.0.1";
const DEFAULT_PORT = 8000;
/** The file that is read without --config. */
const USUAL_FILE = "typhon.toml";

/** Reads the words after the command's name and the environment. Throws OperatorError. */
export function load(
  words: readonly string[],
  environment: Environment,
  cwd: string = process.cwd(),
): Configuration {
  return loadConfiguration(readFlags(words), environment, cwd);
}

/** The configuration that `flags` and `environment` ask for. Throws OperatorError with a line for each mistake. */
export function loadConfiguration(flags: Flags, given: Environment, cwd: string): Configuration {
  return configurationLoader(flags, given, cwd)();
}

/**
 * A function that makes the configuration now, and anew for each reload: it reads the file again. The files of
 * --env-file are read only once, because they may be pipes. Both throw OperatorError.
 */
export function configurationLoader(
  flags: Flags,
  given: Environment,
  cwd: string,
): () => Configuration {
  const mistakes = new Mistakes();
  const early = new Sources([flagLayer(flags, cwd), variableLayer(given, cwd)], mistakes);
  const files = early.all(OPTIONS.envFile);
  mistakes.end();
  const fromFiles = readEnvFiles(files, given);
  const environment = { ...given, ...fromFiles };
  return () => {
    const command = { flags, environment, cwd, envFiles: fromFiles };
    return configure(command, findFile(command));
  };
}

/** The configuration of a program: `table` has its options as a file would have them. Throws OperatorError. */
export function programConfiguration(
  table: Table,
  environment: Environment,
  cwd: string,
): Configuration {
  const flags = { wantsHelp: false, wantsVersion: false, app: null, texts: new Map() };
  return configure({ flags, environment, cwd, envFiles: {} }, { table, folder: cwd });
}

/** The PID file of the server that these flags and this file would start; null: it has none. Throws OperatorError. */
export function pidFileOf(flags: Flags, environment: Environment, cwd: string): string | null {
  const mistakes = new Mistakes();
  const layers = [flagLayer(flags, cwd), variableLayer(environment, cwd)];
  let given = new Sources(layers, mistakes).ask(OPTIONS.pid);
  const file = given === null ? findFile({ flags, environment, cwd, envFiles: {} }) : null;
  if (file !== null)
    given = new Sources([tableLayer(file.table, file.folder, true)], mistakes).ask(OPTIONS.pid);
  mistakes.end();
  return given && resolve(given.folder, given.value);
}

/** The flags, the variables and where the command was started. */
interface Command {
  readonly flags: Flags;
  readonly environment: Environment;
  readonly cwd: string;
  /** The variables of --env-file. */
  readonly envFiles: Readonly<Record<string, string>>;
}

/** The top table of the file, and the folder where its relative paths start. */
interface SiteFile {
  readonly table: Table;
  readonly folder: string;
}

/** The file of --config, or typhon.toml of the working folder where no application is named; null: there is none. */
function findFile({ flags, environment, cwd }: Command): SiteFile | null {
  const mistakes = new Mistakes();
  const sources = new Sources([flagLayer(flags, cwd), variableLayer(environment, cwd)], mistakes);
  const given = sources.ask(OPTIONS.config);
  mistakes.end();
  const isUsual = given === null && sources.text(APP) === null;
  const name = isUsual ? USUAL_FILE : given?.value;
  if (name === undefined) return null;
  const path = resolve(cwd, name);
  if (isUsual && kindOf(path) === "missing") return null;
  const by = given === null ? USUAL_FILE : `${given.by} ${quote(given.text)}`;
  return { table: readTomlFile(path, name, by), folder: dirname(path) };
}

function configure(command: Command, file: SiteFile | null): Configuration {
  const mistakes = new Mistakes();
  const folder = file?.folder ?? command.cwd;
  const tables = file === null ? EMPTY_TABLES : readTables(file.table, folder, mistakes);
  const maker = new ConfigurationMaker(command, tables, folder, mistakes);
  const configuration = maker.make();
  mistakes.end();
  return configuration;
}

class ConfigurationMaker {
  readonly #mistakes: Mistakes;
  readonly #tables: FileTables;
  /** Where relative paths of the file start. */
  readonly #folder: string;
  /** The variables without and with those of the files that `env-file` of the top level names. */
  readonly #given: Environment;
  readonly #environment: Environment;
  readonly #envFiles: Command["envFiles"];
  readonly #working: WorkingFolder;
  /** The layers before and behind the table of an application or a route. */
  readonly #before: readonly Layer[];
  readonly #behind: readonly Layer[];
  readonly #sources: Sources;
  readonly #routeSurroundings: RouteSurroundings;

  constructor(command: Command, tables: FileTables, folder: string, mistakes: Mistakes) {
    const { flags, cwd, envFiles } = command;
    this.#mistakes = mistakes;
    this.#tables = tables;
    this.#folder = folder;
    this.#envFiles = envFiles;
    const top = tableLayer(tables.top, folder, true);
    this.#given = command.environment;
    const environment = { ...this.#given, ...this.#readEnvFiles([top]) };
    this.#environment = environment;
    this.#working = { cwd, links: environment["PWD"] ?? "" };
    this.#before = [flagLayer(flags, cwd), variableLayer(environment, cwd)];
    this.#behind = [top, otherVariableLayer(environment, cwd)];
    this.#sources = new Sources([...this.#before, ...this.#behind], mistakes);
    // Also what this site has no use for, such as --listing without a folder.
    for (const option of OPTION_LIST) this.#sources.all(option);
    const applications = tables.applications.map(({ name }) => name);
    this.#routeSurroundings = { working: this.#working, applications, mistakes };
  }

  make(): Configuration {
    const { named, drafts } = this.#site();
    const loaded = named
      .map((one) =>
        loadApplication(one, {
          environment: this.#environment,
          working: this.#working,
          routes: drafts,
          mistakes: this.#mistakes,
        }),
      )
      .filter((one) => one !== null);
    return {
      listeners: this.#listeners(),
      applications: loaded.map(({ configuration }) => configuration),
      routes: finishRoutes(drafts, this.#mistakes),
      logs: this.#logs(),
      process: this.#process(loaded.map(({ codeFolder }) => codeFolder)),
    };
  }

  /** The applications and the routes that flags, variables and the file name together. */
  #site(): { named: NamedApplication[]; drafts: RouteDraft[] } {
    const sources = this.#sources;
    const mistakes = this.#mistakes;
    const { mount, static: folders } = OPTIONS;
    const { applications, routes } = this.#tables;

    const named: NamedApplication[] = [];
    const drafts: RouteDraft[] = [];
    const given = sources.text(APP);
    if (!this.#tables.hasSite && [APP, mount, folders].every((one) => sources.text(one) === null))
      mistakes.add("no application given; for example: typhon app:app (see typhon --help)");
    if (given !== null) mistakes.attempt(() => this.#addMain(given, named, drafts), undefined);
    for (const one of sources.all(mount)) {
      const { prefix, app } = one.value;
      const name = prefix === "" ? "/" : prefix;
      named.push(this.#named(name, { ...one, text: app }, sources));
      drafts.push(this.#applicationRoute(`${one.by} ${quote(one.text)}`, prefix, name));
    }
    for (const one of sources.all(folders))
      drafts.push(...this.#folderRoute({ ...one, value: one.value.folder }, one.value.prefix));
    for (const route of routes)
      drafts.push(...readRoute(route, this.#sourcesWith(route.table), this.#routeSurroundings));
    for (const { name, by, table } of applications) {
      const own = new Sources([tableLayer(table, this.#folder)], mistakes).ask(APP);
      if (own !== null) named.push(this.#named(name, own, this.#sourcesWith(table)));
      else if (!table.has(APP.name))
        mistakes.add(`${by} has no app; for example: app = "shop:app"`);
    }
    this.#routeTheRest(drafts);
    return { named, drafts };
  }

  /** What APP, TYPHON_APP or `app` of the file names has every path that is left. Throws OperatorError. */
  #addMain(given: GivenText, named: NamedApplication[], drafts: RouteDraft[]): void {
    const folder = siteFolder(given);
    if (folder !== null) {
      drafts.push(...this.#folderRoute({ ...given, value: folder }, ""));
      return;
    }
    readGiven(given, APP);
    const others = this.#sources.all(OPTIONS.mount).length + this.#tables.applications.length;
    const name = others === 0 ? "" : "/";
    named.push(this.#named(name, given, this.#sources));
    drafts.push(this.#applicationRoute(`${given.by} ${quote(given.text)}`, "", name));
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
    const fromFiles = { ...this.#readEnvFiles(tables), ...this.#envFiles };
    return { name, given, sources, fromFiles };
  }

  /** The variables of the files that tables of the file name. */
  #readEnvFiles(tables: readonly Layer[]): Record<string, string> {
    const files = new Sources(tables, this.#mistakes).merged(OPTIONS.envFile);
    return this.#mistakes.attempt(() => readEnvFiles(files, this.#given), {});
  }

  #sourcesWith(table: Table): Sources {
    const own = tableLayer(table, this.#folder);
    return new Sources([...this.#before, own, ...this.#behind], this.#mistakes);
  }

  #folderRoute(given: Parameters<typeof folderRoute>[0], prefix: string): RouteDraft[] {
    return folderRoute(given, prefix, this.#sources, this.#routeSurroundings);
  }

  #applicationRoute(by: string, prefix: string, name: string): RouteDraft {
    return applicationRoute(by, prefix, name, readPolicy(this.#sources, this.#mistakes));
  }

  #listeners(): Configuration["listeners"] {
    const sources = this.#sources;
    return {
      bind: this.#mistakes.attempt(() => readBind(sources, this.#environment), "default"),
      socketRights: this.#mistakes.attempt(() => readSocketRights(sources), NO_RIGHTS),
      forwardedAllowIps: sources.one(OPTIONS.forwardedAllowIps),
      headerMap: sources.one(OPTIONS.headerMap),
      keepAliveMs: sources.one(OPTIONS.keepAlive),
      bodyTimeoutMs: sources.one(OPTIONS.bodyTimeout),
      maxBody: sources.one(OPTIONS.maxBody),
      maxRequestLine: sources.one(OPTIONS.limitRequestLine),
      maxRequestHead: sources.one(OPTIONS.limitRequestHead),
    };
  }

  #logs(): Configuration["logs"] {
    const sources = this.#sources;
    return {
      accessLog: this.#mistakes.attempt(() => readAccessLog(sources), "off"),
      level: sources.one(OPTIONS.logLevel),
      format: sources.one(OPTIONS.logFormat),
      captureOutput: sources.one(OPTIONS.captureOutput),
    };
  }

  #process(codeFolders: readonly string[]): Configuration["process"] {
    const sources = this.#sources;
    const mistakes = this.#mistakes;
    const pid = sources.ask(OPTIONS.pid);
    const { cwd } = this.#working;
    const watched = sources.all(OPTIONS.reloadDir);
    return {
      pid: mistakes.attempt(() => pid && fileToMake(pid), null),
      tempDir: mistakes.attempt(() => readTempDir(sources, this.#environment, cwd), ""),
      gracefulTimeoutMs: sources.one(OPTIONS.gracefulTimeout),
      health: sources.one(OPTIONS.health),
      reload: sources.one(OPTIONS.reload),
      reloadDirs:
        watched.length === 0
          ? [...new Set(codeFolders)]
          : watched.flatMap((one) => mistakes.attempt(() => [readableFolder(one)], [])),
    };
  }
}

const NO_RIGHTS: Configuration["listeners"]["socketRights"] = { mode: 0, owner: null };

/** Whether a route leads to the application. */
function isNamedIn(table: Table, name: string): boolean {
  const app = table.get(APP.name);
  return app !== undefined && "text" in app && app.text === name;
}

function readBind(sources: Sources, environment: Environment): Configuration["listeners"]["bind"] {
  for (const layer of sources.layers) {
    const binds = sources.from(layer, OPTIONS.bind);
    const host = sources.from(layer, OPTIONS.host).at(-1);
    const port = sources.from(layer, OPTIONS.port).at(-1);
    const [bind] = binds;
    const other = host ?? port;
    if (bind !== undefined && other !== undefined)
      throw new OperatorError(
        `${bind.by} and ${other.by} exclude each other; write ${bind.by} HOST:PORT`,
      );
    if (bind !== undefined)
      return binds.map(({ by, text, value, folder }) =>
        readValue(by, text, () => resolveBindAddress(value, folder)),
      );
    // A host from the command line and a port from a variable or the file still belong together.
    if (other !== undefined) return [joinAddress(sources, environment)];
  }
  const text = environment["PORT"] ?? "";
  if (text === "") return "default";
  return [{ kind: "tcp", host: ALL_ADDRESSES, port: readValue("PORT", text, OPTIONS.port.read) }];
}

function joinAddress(sources: Sources, environment: Environment): ListenAddress {
  const text = environment["PORT"] ?? "";
  const given = sources.ask(OPTIONS.port)?.value;
  const fromPlatform = text === "" ? null : readValue("PORT", text, OPTIONS.port.read);
  return {
    kind: "tcp",
    host: sources.ask(OPTIONS.host)?.value ?? LOOPBACK,
    port: given ?? fromPlatform ?? DEFAULT_PORT,
  };
}

// /dev/shm is memory; it comes last, for a read-only file system.
function readTempDir(sources: Sources, environment: Environment, cwd: string): string {
  const given = sources.ask(OPTIONS.tempDir);
  if (given !== null) return writableFolder(given);
  const usual = [environment["TMPDIR"] || tmpdir(), "/tmp", "/var/tmp", "/dev/shm"];
  const folder = usual.map((path) => resolve(cwd, path)).find(mayWriteIn);
  if (folder !== undefined) return folder;
  throw new OperatorError(
    `no folder for temporary files: this user may not write to ${usual.join(", ")}; name one with --temp-dir`,
  );
}

function readSocketRights(sources: Sources): Configuration["listeners"]["socketRights"] {
  const given = sources.ask(OPTIONS.socketOwner);
  const owner = given && findOwner(`${given.by} ${quote(given.text)}`, given.value);
  return { mode: sources.one(OPTIONS.socketMode), owner };
}

function readAccessLog(sources: Sources): string {
  const given = sources.ask(OPTIONS.accessLog);
  if (given === null) return OPTIONS.accessLog.fallback ?? "off";
  const { by, text, value, folder } = given;
  if (value === "-" || value === "off") return value;
  const path = resolve(folder, value);
  if (mayAppend(path)) return path;
  throw new OperatorError(
    `${by} ${quote(text)} is no file that this user may write; name another, - or off`,
  );
}
