// The options of the server as a whole: listeners, logs, process. Here is decided what depends on several options or
// on the machine: --bind against --host and --port, PORT, folders, the space for temporary files.

import { tmpdir } from "node:os";
import { dirname, resolve } from "node:path";

import type { ListenAddress } from "../net/address.ts";
import { ALL_ADDRESSES, resolveBindAddress } from "./bind-address.ts";
import type { BoundAddress, Configuration } from "./configuration.ts";
import { fileToMake, mayAppend, readableFolder, writableFolder } from "./given-paths.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { findOwner } from "./owner.ts";
import { kindOf, mayWriteIn } from "./paths.ts";
import { OPTIONS } from "./schema.ts";
import { readValue, type Environment, type GivenValue, type Sources } from "./sources.ts";

const LOOPBACK = "127.0.0.1";
const DEFAULT_PORT = 8000;
/** All temporary files where no limit was chosen: four bodies of the usual largest size. */
const USUAL_TEMP_BYTES = 4_294_967_296;
/** At least so much: the disk may be full only while the server starts. */
const LEAST_TEMP_BYTES = 268_435_456;

export function readListeners(
  sources: Sources,
  environment: Environment,
  mistakes: Mistakes,
): Configuration["listeners"] {
  return {
    bind: mistakes.attempt(() => readBind(sources, environment), "default"),
    socketRights: mistakes.attempt(() => readSocketRights(sources), { mode: 0, owner: null }),
    proxyProtocol: false,
    http2: true,
    h2c: false,
    forwardedAllowIps: sources.one(OPTIONS.forwardedAllowIps),
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
    captureOutput: sources.one(OPTIONS.captureOutput),
  };
}

interface ProcessContext {
  readonly environment: Environment;
  readonly cwd: string;
  /** The folders with the code of the applications. */
  readonly codeFolders: readonly string[];
  /** Free bytes of a folder's disk; the same at each reload. */
  readonly freeBytes: (folder: string) => number;
  readonly mistakes: Mistakes;
}

export function readProcess(
  sources: Sources,
  { environment, cwd, codeFolders, freeBytes, mistakes }: ProcessContext,
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
    gracefulTimeoutMs: sources.one(OPTIONS.gracefulTimeout),
    user: null,
    health: sources.one(OPTIONS.health),
    reload: sources.one(OPTIONS.reload),
    reloadDirs:
      watched.length === 0
        ? [...new Set(codeFolders)]
        : watched.flatMap((one) => mistakes.attempt(() => [readableFolder(one)], [])),
  };
}

/** The limit of all temporary files where none was chosen; `free`: bytes in their folder. */
export function usualTempSize(free: number): number {
  return Math.max(LEAST_TEMP_BYTES, Math.min(USUAL_TEMP_BYTES, Math.floor(free / 2)));
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
    if (bind !== undefined) return readAddresses(binds);
    // A host from the command line and a port from a variable or the file still belong together.
    if (other !== undefined) return [joinAddress(sources, environment)];
  }
  // Under --reload anybody who may connect sees source code and runs code that is not finished.
  if (sources.one(OPTIONS.reload)) return [joinAddress(sources, environment)];
  const text = environment["PORT"] ?? "";
  if (text === "") return "default";
  return [
    {
      kind: "tcp",
      scheme: "http",
      host: ALL_ADDRESSES,
      port: readValue("PORT", text, OPTIONS.port.read),
    },
  ];
}

function readAddresses(binds: readonly GivenValue<ListenAddress>[]): readonly BoundAddress[] {
  const seen = new Set<string>();
  return binds.map(({ by, text, value, folder }) => {
    const address = readValue(by, text, () => resolveBindAddress(value, folder));
    const key = JSON.stringify(address);
    if (seen.has(key)) throw new OperatorError(`${by} ${quote(text)} stands twice; give it once`);
    // Port 0 is another port each time.
    if (address.kind === "unix" || address.port !== 0) seen.add(key);
    if (address.kind === "unix" && kindOf(dirname(address.path)) === "missing")
      throw new OperatorError(
        `${by} ${quote(text)} is in a folder that is missing; make the folder`,
      );
    return { ...address, scheme: "http" };
  });
}

function joinAddress(sources: Sources, environment: Environment): BoundAddress {
  const text = environment["PORT"] ?? "";
  const given = sources.ask(OPTIONS.port)?.value;
  const fromPlatform = text === "" ? null : readValue("PORT", text, OPTIONS.port.read);
  return {
    kind: "tcp",
    scheme: "http",
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
    `${by} ${quote(text)} is no file that this user may write, or a FIFO that nobody reads; name another, - or off`,
  );
}
