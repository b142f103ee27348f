// Listening sockets that the parent process opened and passed on: systemd's socket activation
// (sd_listen_fds(3)), or descriptors that --fd names. Connections that arrive before the start or during a restart wait in these sockets.
// The sockets belong to the parent process, so this file never binds or unlinks one.

import { readFileSync, readlinkSync } from "node:fs";
import type { Server, Socket } from "node:net";

import { plainAddress, type BoundAddress, type ListenAddress } from "../net/address.ts";
import {
  BACKLOG,
  ListenError,
  listenerOf,
  makeServer,
  passOn,
  type Accept,
  type Listener,
} from "./listener.ts";

/** The first descriptor after standard input, output and error. */
const FIRST_DESCRIPTOR = 3;
/** Most sockets that are used; a unit passes a handful. */
const MAX_DESCRIPTORS = 64;
/** Columns of /proc/net/unix; the path may be missing. */
const UNIX_INODE_COLUMN = 6;
const UNIX_PATH_COLUMN = 7;

/** The port of HTTP, where TLS is spoken only if the socket's name says so. */
const HTTP_PORT = 80;

/** Variables of the process. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The descriptors that LISTEN_FDS passes to process `pid`. None if LISTEN_PID names another process: then
 * the variables were meant for a parent process and only inherited. Pure.
 */
export function inheritedDescriptors(environment: Environment, pid: number): number[] {
  const text = environment["LISTEN_FDS"] ?? "";
  if (environment["LISTEN_PID"] !== String(pid) || !/^\d{1,9}$/.test(text)) return [];
  const count = Math.min(Number(text), MAX_DESCRIPTORS);
  return Array.from({ length: count }, (_, at) => FIRST_DESCRIPTOR + at);
}

/** The names of the passed descriptors (FileDescriptorName= of a socket unit), in order. Pure. */
export function inheritedNames(environment: Environment): readonly string[] {
  return (environment["LISTEN_FDNAMES"] ?? "").split(":");
}

/**
 * What is spoken at a passed socket: as its name says, "http" or "https"; else TLS if there are certificates and it
 * is a TCP socket of another port than 80. Null: the name asks for TLS, which the socket cannot have. Pure.
 */
export function inheritedScheme(
  name: string,
  address: ListenAddress,
  hasTls: boolean,
): BoundAddress["scheme"] | null {
  const mayHaveTls = hasTls && address.kind === "tcp";
  if (name === "https") return mayHaveTls ? "https" : null;
  return mayHaveTls && name !== "http" && address.port !== HTTP_PORT ? "https" : "http";
}

/**
 * Listens at `chosen` descriptors, else at all sockets that were passed to this process; null if there are none. If
 * one of them cannot be listened at, all are closed and the result is a rejection with ListenError.
 */
export async function listenInherited(
  accept: Accept,
  hasTls: boolean,
  chosen: readonly number[],
): Promise<Listener[] | null> {
  const isChosen = chosen.length > 0;
  const descriptors = isChosen ? chosen : inheritedDescriptors(process.env, process.pid);
  if (descriptors.length === 0) return null;
  const names = isChosen ? [] : inheritedNames(process.env);
  const listeners: Listener[] = [];
  try {
    for (const [at, fd] of descriptors.entries()) {
      const what = `descriptor ${fd} of ${isChosen ? "--fd" : "LISTEN_FDS"}`;
      listeners.push(await listenAt({ fd, what, name: names[at] ?? "" }, hasTls, accept));
    }
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return listeners;
}

async function listenAt(
  { fd, what, name }: { readonly fd: number; readonly what: string; readonly name: string },
  hasTls: boolean,
  accept: Accept,
): Promise<Listener> {
  // Chosen below, in the turn in which the socket listens: no connection is accepted before.
  let bound: Pick<BoundAddress, "kind" | "scheme"> = { kind: "tcp", scheme: "http" };
  const acceptHere = (socket: Socket): void => passOn(socket, bound, accept);
  const server = makeServer(acceptHere);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const place: ListenAddress = { kind: "unix", path: `descriptor ${fd}` };
  const onError = (error: Error): void =>
    reject(
      new ListenError(
        "OTHER",
        place,
        `${what} is not a stream socket that can listen ` +
          `(${"code" in error ? String(error.code) : error.message}); in a .socket unit use ListenStream= and Accept=no`,
      ),
    );
  server.once("error", onError);
  // The backlog is a separate argument, because Node ignores it in the options of a descriptor.
  server.listen({ fd }, BACKLOG, resolve);
  await promise;
  server.off("error", onError);
  const address = addressOf(server, fd);
  const chosen = inheritedScheme(name, address, hasTls);
  if (chosen === null) {
    server.close();
    throw new ListenError(
      "OTHER",
      address,
      `${what} is named https, and ${hasTls ? "is a Unix socket, which has no TLS" : "there is no certificate; give --certfile, --domain or --tls internal"}`,
    );
  }
  bound = { kind: address.kind, scheme: chosen };
  return listenerOf(server, { ...address, scheme: chosen }, acceptHere);
}

function addressOf(server: Server, fd: number): ListenAddress {
  const bound = server.address();
  if (bound !== null && typeof bound !== "string")
    return { kind: "tcp", host: plainAddress(bound.address), port: bound.port };
  // Node does not know the path of a Unix socket that it has not bound itself.
  return { kind: "unix", path: unixPath(fd) ?? `descriptor ${fd}` };
}

function unixPath(fd: number): string | null {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    for (const line of readFileSync("/proc/net/unix", "utf8").split("\n")) {
      const columns = line.trim().split(/\s+/);
      if (columns[UNIX_INODE_COLUMN] === inode)
        return columns.slice(UNIX_PATH_COLUMN).join(" ") || null;
    }
    return null;
  } catch {
    // No /proc: the log shows the number instead of the path.
    return null;
  }
}
