// Makes a checked Configuration from the command line and the environment. A flag wins over its TYPHON_…
// variable, that over the variable of other servers, that over the default. This file decides what depends on
// several options or on the machine: --bind against --host and --port, PORT, folders, the interpreter.

import { closeSync, constants, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import type { ListenAddress } from "../net/address.ts";
import { ALL_ADDRESSES, resolveBindAddress } from "./bind-address.ts";
import type { ApplicationConfiguration, Configuration } from "./configuration.ts";
import { usableCores } from "./cores.ts";
import { readEnvFiles } from "./env-files.ts";
import { readFlags, type Flags } from "./flags.ts";
import { findInterpreter } from "./interpreter.ts";
import { asNamed, nameOfCwd } from "./named-paths.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { findOwner } from "./owner.ts";
import { freeBytes, kindOf, mayReadIn, mayWriteIn } from "./paths.ts";
import { OPTIONS, type Option } from "./schema.ts";
import { readValue, Sources, type Environment, type GivenValue } from "./sources.ts";

const LOOPBACK = "127.0.0.1";
const DEFAULT_PORT = 8000;
/** All temporary files where no limit was chosen: four bodies of the usual largest size. */
const USUAL_TEMP_BYTES = 4_294_967_296;
/** At least so much: the disk may be full only while the server starts. */
const LEAST_TEMP_BYTES = 268_435_456;

/** Reads the words after the command's name and the environment. Throws OperatorError. */
export function load(
  words: readonly string[],
  environment: Environment,
  cwd: string = process.cwd(),
): Configuration {
  return loadConfiguration(readFlags(words), environment, cwd);
}

/** The configuration that `flags` and `environment` ask for: one application at every path. Throws OperatorError. */
export function loadConfiguration(flags: Flags, given: Environment, cwd: string): Configuration {
  const fromFiles = readEnvFiles(new Sources(flags, given), given, cwd);
  const environment = { ...given, ...fromFiles };
  const sources = new Sources(flags, environment);
  const links = environment["PWD"];
  const folder = readFolder(sources, OPTIONS.appDir, cwd) ?? resolve(cwd);
  const appDir = asNamed(folder, cwd, links);
  const app = readApplication(sources, appDir, cwd, links);
  return {
    listeners: {
      bind: readBind(sources, environment, cwd),
      socketRights: readSocketRights(sources),
      forwardedAllowIps: sources.one(OPTIONS.forwardedAllowIps),
      headerMap: sources.one(OPTIONS.headerMap),
      keepAliveMs: sources.one(OPTIONS.keepAlive),
      bodyTimeoutMs: sources.one(OPTIONS.bodyTimeout),
      maxBody: sources.one(OPTIONS.maxBody),
      maxRequestLine: sources.one(OPTIONS.limitRequestLine),
      maxRequestHead: sources.one(OPTIONS.limitRequestHead),
    },
    applications: [loadApplication(sources, { app, appDir, environment, fromFiles, cwd })],
    routes: [{ host: "", path: "", application: "" }],
    logs: {
      accessLog: readAccessLog(sources, cwd),
      level: sources.one(OPTIONS.logLevel),
      format: sources.one(OPTIONS.logFormat),
      captureOutput: sources.one(OPTIONS.captureOutput),
    },
    process: {
      pid: readPidFile(sources, cwd),
      ...readTempFiles(sources, environment, cwd),
      gracefulTimeoutMs: sources.one(OPTIONS.gracefulTimeout),
      health: sources.one(OPTIONS.health),
      reload: sources.one(OPTIONS.reload),
      reloadDirs: readReloadDirs(sources, watchedFolder(app, appDir), cwd),
    },
  };
}

/** Where an application's code is, and the surroundings of the command. */
interface Place {
  readonly app: string;
  readonly appDir: string;
  readonly environment: Environment;
  /** The variables that only --env-file gives. */
  readonly fromFiles: Readonly<Record<string, string>>;
  readonly cwd: string;
}

function loadApplication(sources: Sources, place: Place): ApplicationConfiguration {
  const { app, appDir, environment, fromFiles, cwd } = place;
  const python = sources.ask(OPTIONS.python);
  const workers = sources.ask(OPTIONS.workers)?.value;
  return {
    name: "",
    app,
    interface: sources.one(OPTIONS.interface),
    python: findInterpreter({
      asked: python === null ? null : { by: python.by, text: python.value },
      environment,
      cwd,
      folders: filePart(app) === null ? [appDir] : [dirname(app), appDir],
    }),
    appDir,
    cwd: nameOfCwd(cwd, appDir, environment["PWD"]),
    env: {
      ...fromFiles,
      ...Object.fromEntries(sources.all(OPTIONS.env).map((given) => given.value)),
    },
    rootPath: sources.one(OPTIONS.rootPath),
    loop: sources.one(OPTIONS.loop),
    lifespan: sources.one(OPTIONS.lifespan),
    pathsend: sources.one(OPTIONS.pathsend),
    warmup: sources.all(OPTIONS.warmup).map((given) => given.value),
    // In development one process is enough, and starts soonest.
    workers: workers ?? (sources.one(OPTIONS.reload) ? 1 : usableCores()),
    areWorkersChosen: workers !== undefined,
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

function readTimeouts(
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

function readPidFile(sources: Sources, cwd: string): string | null {
  const given = sources.ask(OPTIONS.pid);
  if (given === null) return null;
  const path = resolve(cwd, given.value);
  if (mayWriteIn(dirname(path))) return path;
  throw new OperatorError(
    `${given.by} ${quote(given.text)} is in no folder that this user may write to; name another`,
  );
}

function readReloadDirs(sources: Sources, fallback: string, cwd: string): readonly string[] {
  const given = sources.all(OPTIONS.reloadDir);
  if (given.length === 0) return [fallback];
  return given.map((one) => folderOf(one, cwd, mayReadIn));
}

function readApplication(sources: Sources, appDir: string, cwd: string, links = ""): string {
  const given = sources.app();
  if (given === null)
    throw new OperatorError(
      "no application given; for example: typhon app:app (see typhon --help)",
    );
  const file = filePart(given.value);
  if (file === null) return given.value;
  const isThere = (path: string): boolean => kindOf(path) === "file";
  const here = resolve(cwd, file);
  const path = !isThere(here) && isThere(resolve(appDir, file)) ? resolve(appDir, file) : here;
  if (kindOf(path) === "closed")
    throw new OperatorError(
      `${given.by} ${quote(given.text)} is in a folder that this user may not enter; give this user the right`,
    );
  return asNamed(path, cwd, links) + given.value.slice(file.length);
}

// An application named as a file may be outside --app-dir; then the file's own folder is watched.
function watchedFolder(app: string, appDir: string): string {
  const file = filePart(app);
  return file === null || file.startsWith(join(appDir, "/")) ? appDir : dirname(file);
}

// The path in "path/to/file.py[:callable]", null for a module.
function filePart(app: string): string | null {
  return /^([^:]+\.py)(?::|$)/u.exec(app)?.[1] ?? null;
}

function readBind(
  sources: Sources,
  environment: Environment,
  cwd: string,
): Configuration["listeners"]["bind"] {
  for (const source of ["flag", "variable"] as const) {
    const binds = sources.from(source, OPTIONS.bind);
    const host = sources.from(source, OPTIONS.host).at(-1);
    const port = sources.from(source, OPTIONS.port).at(-1);
    const [bind] = binds;
    const other = host ?? port;
    if (bind !== undefined && other !== undefined)
      throw new OperatorError(
        `${bind.by} and ${other.by} exclude each other; write ${bind.by} HOST:PORT`,
      );
    if (bind !== undefined)
      return binds.map(({ by, text, value }) =>
        readValue(by, text, () => resolveBindAddress(value, cwd)),
      );
    // A host from the command line and a port from a variable still belong together.
    if (other !== undefined) return [joinAddress(sources, environment)];
  }
  // Under --reload anybody who may connect sees source code and runs code that is not finished.
  if (sources.one(OPTIONS.reload)) return [joinAddress(sources, environment)];
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

function readFolder(sources: Sources, option: Option<string>, cwd: string): string | null {
  const given = sources.ask(option);
  return given === null ? null : folderOf(given, cwd, mayReadIn);
}

/** The folder's absolute path. Throws OperatorError if there is none, or none that this user `may` use. */
function folderOf(
  { by, text, value }: GivenValue<string>,
  cwd: string,
  may: (folder: string) => boolean,
): string {
  const folder = resolve(cwd, value);
  const kind = kindOf(folder);
  if (kind === "folder" && may(folder)) return folder;
  const what = `${by} ${quote(text)}`;
  if (kind !== "folder" && kind !== "closed")
    throw new OperatorError(`${what} is no folder; name one that exists`);
  throw new OperatorError(
    may === mayWriteIn
      ? `${what} is no folder that this user may write to; name another`
      : `${what} is closed to this user; give this user the right to enter and read it, or name another`,
  );
}

function readTempFiles(
  sources: Sources,
  environment: Environment,
  cwd: string,
): Pick<Configuration["process"], "tempDir" | "maxTempSize"> {
  const tempDir = readTempDir(sources, environment, cwd);
  const asked = sources.ask(OPTIONS.maxTempSize)?.value;
  return { tempDir, maxTempSize: asked ?? usualTempSize(freeBytes(tempDir)) };
}

/** The limit of all temporary files where none was chosen; `free`: bytes in their folder. */
export function usualTempSize(free: number): number {
  return Math.max(LEAST_TEMP_BYTES, Math.min(USUAL_TEMP_BYTES, Math.floor(free / 2)));
}

// /dev/shm is memory; it comes last, for a read-only file system.
function readTempDir(sources: Sources, environment: Environment, cwd: string): string {
  const given = sources.ask(OPTIONS.tempDir);
  if (given !== null) return folderOf(given, cwd, mayWriteIn);
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

function readAccessLog(sources: Sources, cwd: string): string {
  const given = sources.ask(OPTIONS.accessLog);
  const text = given?.value ?? OPTIONS.accessLog.fallback ?? "";
  if (text === "-" || text === "off") return text;
  const path = resolve(cwd, text);
  if (mayAppend(path)) return path;
  throw new OperatorError(
    `${given?.by} ${quote(text)} is no file that this user may write, or a FIFO that nobody reads; name another, - or off`,
  );
}

// Opens the file, because its rights alone do not show whether it can be written (root, read-only disks,
// /proc). The log creates the file a moment later anyway. O_NONBLOCK: a FIFO without a reader is an error, not
// a wait.
function mayAppend(path: string): boolean {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK } = constants;
  try {
    closeSync(openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0o666));
    return true;
  } catch {
    // The caller reports every error of the system in the same way.
    return false;
  }
}
