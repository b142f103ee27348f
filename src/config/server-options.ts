// The options of the server as a whole: listeners, logs, process. Here is decided what depends on several options or
// on the machine: --bind against --host and --port, PORT, folders, the space for temporary files.

import { tmpdir } from "node:os";
import { dirname, resolve } from "node:path";

import type { BoundAddress } from "../net/address.ts";
import { findAccount, findOwner, isThisUser } from "./accounts.ts";
import { ALL_ADDRESSES, resolveBindAddress, type GivenAddress } from "./bind-address.ts";
import type { Account, Configuration } from "./configuration.ts";
import { fileToMake, mayAppend, readableFolder, writableFolder } from "./given-paths.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { kindOf, mayWriteIn } from "./paths.ts";
import { OPTIONS } from "./schema.ts";
import { readRedirect } from "./tls-options.ts";
import {
  otherVariable,
  readValue,
  type Environment,
  type GivenValue,
  type Sources,
} from "./sources.ts";

const LOOPBACK = "127.0.0.1";
const DEFAULT_PORT = 8000;
const DEFAULT_TLS_PORT = 8443;
/** Clients and authorities expect no TLS there. */
const HTTP_PORT = 80;
/** All temporary files where no limit was chosen: four bodies of the usual largest size. */
const USUAL_TEMP_BYTES = 4_294_967_296;
/** At least so much: the disk may be full only while the server starts. */
const LEAST_TEMP_BYTES = 268_435_456;

/** Where the server listens, and as whom: root binds the ports before anything else is read. */
export type Early = Pick<Configuration["listeners"], "bind" | "descriptors" | "socketRights"> & {
  readonly user: Account | null;
  /** Whether there are certificates, and whether requests without TLS are redirected. */
  readonly hasTls: boolean;
  readonly redirect: boolean;
};

export interface ListenContext {
  readonly environment: Environment;
  /** Whether the server has certificates. */
  readonly hasTls: boolean;
  readonly isDevelopment: boolean;
  readonly mistakes: Mistakes;
}

export function earlyOf(sources: Sources, context: ListenContext): Early {
  const { mistakes, hasTls } = context;
  const user = mistakes.attempt(() => readUser(sources), null);
  return {
    bind: mistakes.attempt(() => readBind(sources, context), "default"),
    descriptors: sources.all(OPTIONS.fd).map(({ value }) => value),
    socketRights: mistakes.attempt(() => readSocketRights(sources, user), { mode: 0, owner: null }),
    user,
    hasTls,
    redirect: hasTls && readRedirect(sources),
  };
}

export function readListeners(
  sources: Sources,
  { bind, descriptors, socketRights }: Early,
  mistakes: Mistakes,
): Configuration["listeners"] {
  const proxies = sources.one(OPTIONS.forwardedAllowIps);
  if (sources.one(OPTIONS.proxyProtocol) && proxies.length === 0)
    mistakes.add(
      "--proxy-protocol needs a proxy to trust; name its address in --forwarded-allow-ips",
    );
  return {
    bind,
    descriptors,
    socketRights,
    proxyProtocol: sources.one(OPTIONS.proxyProtocol),
    http2: sources.one(OPTIONS.http2),
    h2c: sources.one(OPTIONS.h2c),
    forwardedAllowIps: proxies,
    headerMap: sources.one(OPTIONS.headerMap),
    keepAliveMs: sources.one(OPTIONS.keepAlive),
    bodyTimeoutMs: sources.one(OPTIONS.bodyTimeout),
    maxBody: sources.one(OPTIONS.maxBody),
    maxRequestLine: sources.one(OPTIONS.limitRequestLine),
    maxRequestHead: sources.one(OPTIONS.limitRequestHead),
  };
}

export function readLogs(sources: Sources, mistakes: Mistakes): Configuration["logs"] {
  return {
    accessLog: mistakes.attempt(() => readAccessLog(sources), "off"),
    level: sources.one(OPTIONS.logLevel),
    format: sources.one(OPTIONS.logFormat),
    accessFormat: sources.ask(OPTIONS.accessLogFormat)?.value ?? null,
    captureOutput: sources.one(OPTIONS.captureOutput),
  };
}

interface ProcessContext {
  readonly user: Account | null;
  readonly environment: Environment;
  readonly cwd: string;
  /** The folders with the code of the applications, and in development those of files. */
  readonly codeFolders: readonly string[];
  readonly isDevelopment: boolean;
  /** Free bytes of a folder's disk; the same at each reload. */
  readonly freeBytes: (folder: string) => number;
  readonly mistakes: Mistakes;
}

export function readProcess(
  sources: Sources,
  { user, environment, cwd, codeFolders, isDevelopment, freeBytes, mistakes }: ProcessContext,
): Configuration["process"] {
  const pid = sources.ask(OPTIONS.pid);
  const watched = sources.all(OPTIONS.reloadDir);
  const tempDir = mistakes.attempt(() => readTempDir(sources, environment, cwd), null);
  return {
    pid: mistakes.attempt(() => pid && fileToMake(pid), null),
    tempDir: tempDir ?? "",
    maxTempSize:
      sources.ask(OPTIONS.maxTempSize)?.value ??
      usualTempSize(tempDir === null ? 0 : freeBytes(tempDir)),
    drainDelayMs: sources.one(OPTIONS.drainDelay),
    gracefulTimeoutMs: sources.one(OPTIONS.gracefulTimeout),
    user,
    umask: sources.ask(OPTIONS.umask)?.value ?? null,
    health: sources.one(OPTIONS.health),
    developing: isDevelopment,
    reload: sources.one(OPTIONS.reload),
    reloadFiles: {
      include: sources.all(OPTIONS.reloadInclude).map(({ value }) => value),
      exclude: sources.all(OPTIONS.reloadExclude).map(({ value }) => value),
    },
    reloadDirs:
      watched.length === 0
        ? [...new Set(codeFolders)]
        : watched.flatMap((one) => mistakes.attempt(() => [readableFolder(one)], [])),
  };
}

/** Whether nobody but this machine reaches the addresses. A proxy may stand before a Unix socket. */
export function isLocalOnly(bind: Bind): boolean {
  if (typeof bind === "string") return false;
  return bind.every((one) => one.kind === "tcp" && isLoopbackHost(one.host));
}

function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The limit of all temporary files where none was chosen; `free`: bytes in their folder. */
export function usualTempSize(free: number): number {
  return Math.max(LEAST_TEMP_BYTES, Math.min(USUAL_TEMP_BYTES, Math.floor(free / 2)));
}

type Bind = Configuration["listeners"]["bind"];

function readBind(sources: Sources, context: ListenContext): Bind {
  const { environment, hasTls } = context;
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
    if (bind !== undefined) return readAddresses(binds, hasTls);
    // A host from the command line and a port from a variable or the file still belong together.
    if (other !== undefined) return [joinAddress(sources, context)];
  }
  const domain = sources.text(OPTIONS.domain);
  if (context.isDevelopment || sources.one(OPTIONS.reload)) {
    const what = context.isDevelopment ? "typhon dev" : "--reload";
    if (domain !== null)
      throw new OperatorError(
        `${domain.by} needs ports that everybody reaches, and ${what} is for this machine only; write --tls internal instead, or choose addresses with --bind`,
      );
    // There anybody who may connect sees source code and runs code that is not finished.
    return [joinAddress(sources, context)];
  }
  const text = otherVariable("PORT", environment);
  if (text !== null) {
    const port = readValue("PORT", text, OPTIONS.port.read);
    return [withScheme({ kind: "tcp", host: ALL_ADDRESSES, port, scheme: null }, hasTls)];
  }
  if (!hasTls) return "default";
  if (domain !== null) return "domains";
  const isInternalOnly =
    sources.text(OPTIONS.tls) !== null && sources.text(OPTIONS.certfile) === null;
  return isInternalOnly ? [joinAddress(sources, context)] : "default-https";
}

function readAddresses(
  binds: readonly GivenValue<GivenAddress>[],
  hasTls: boolean,
): readonly BoundAddress[] {
  const seen = new Set<string>();
  return binds.map(({ by, text, value, folder }) => {
    const given = readValue(by, text, () => resolveBindAddress(value, folder));
    const address = withScheme(given, hasTls);
    const key = JSON.stringify({ ...address, scheme: "" });
    if (seen.has(key)) throw new OperatorError(`${by} ${quote(text)} stands twice; give it once`);
    // Port 0 is another port each time.
    if (address.kind === "unix" || address.port !== 0) seen.add(key);
    if (address.kind === "unix" && kindOf(dirname(address.path)) === "missing")
      throw new OperatorError(
        `${by} ${quote(text)} is in a folder that is missing; make the folder`,
      );
    if (address.scheme === "https" && !hasTls)
      throw new OperatorError(
        `${by} ${quote(text)} needs a certificate; give --certfile and --keyfile, --domain or --tls internal`,
      );
    return address;
  });
}

function withScheme(address: GivenAddress, hasTls: boolean): BoundAddress {
  if (address.kind === "unix") return { ...address, scheme: "http" };
  const usual = hasTls && address.port !== HTTP_PORT ? "https" : "http";
  return { ...address, scheme: address.scheme ?? usual };
}

function joinAddress(sources: Sources, { environment, hasTls }: ListenContext): BoundAddress {
  const text = otherVariable("PORT", environment);
  const given = sources.ask(OPTIONS.port)?.value;
  const fromPlatform = text === null ? null : readValue("PORT", text, OPTIONS.port.read);
  const address = {
    kind: "tcp",
    scheme: null,
    host: sources.ask(OPTIONS.host)?.value ?? LOOPBACK,
    port: given ?? fromPlatform ?? (hasTls ? DEFAULT_TLS_PORT : DEFAULT_PORT),
  } as const;
  return withScheme(address, hasTls);
}

/** Who the server becomes; null: it stays who it is. Throws OperatorError. */
function readUser(sources: Sources): Account | null {
  const user = sources.ask(OPTIONS.user);
  const group = sources.ask(OPTIONS.group);
  if (user === null) {
    if (group === null) return null;
    throw new OperatorError(`${group.by} needs --user; for Unix sockets write --socket-owner`);
  }
  const account = findAccount(user, group);
  if (isThisUser(account)) return account;
  const what = `${user.by} ${quote(user.text)}`;
  if (process.geteuid?.() !== 0)
    throw new OperatorError(
      `${what}: only root may become another user; start as root, or as that user without --user`,
    );
  if (account.uid === 0) throw new OperatorError(`${what} keeps root's rights; name another user`);
  return account;
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

function readSocketRights(
  sources: Sources,
  user: Account | null,
): Configuration["listeners"]["socketRights"] {
  const given = sources.ask(OPTIONS.socketOwner);
  const own = user && { uid: user.uid, gid: user.gid };
  const owner = given === null ? own : findOwner(`${given.by} ${quote(given.text)}`, given.value);
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
    `${by} ${quote(text)} is no file that this user may write, or a FIFO that nobody reads; name another, - or off`,
  );
}
