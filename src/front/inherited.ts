// Listening sockets that whoever started us has opened: systemd's socket activation (sd_listen_fds(3)).
// The connections that come before we run, or while we are restarted, wait in them. They belong to who
// opened them: we listen, and never bind or unlink.

import { readFileSync, readlinkSync } from "node:fs";
import type { Server, Socket } from "node:net";

import { plainAddress, type ListenAddress } from "../net/address.ts";
import { BACKLOG, ListenError, listenerOf, makeServer, type Listener } from "./listener.ts";

/** Behind standard input, output and error. */
const FIRST_DESCRIPTOR = 3;
/** A unit names a handful; a number beyond this is a mistake. */
const MAX_DESCRIPTORS = 64;
/** The columns of /proc/net/unix, of which the last may be missing. */
const UNIX_INODE_COLUMN = 6;
const UNIX_PATH_COLUMN = 7;

/** Variables of the process. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The descriptors that LISTEN_FDS passes to process `pid`, none where LISTEN_PID names another one:
 * the variables may come from further up. Pure.
 */
export function inheritedDescriptors(environment: Environment, pid: number): number[] {
  const text = environment["LISTEN_FDS"] ?? "";
  if (environment["LISTEN_PID"] !== String(pid) || !/^\d{1,9}$/.test(text)) return [];
  const count = Math.min(Number(text), MAX_DESCRIPTORS);
  return Array.from({ length: count }, (_, at) => FIRST_DESCRIPTOR + at);
}

/**
 * Listens at all sockets that were passed to this process; null where none were. Rejects with
 * ListenError where one of them cannot be listened at; none is then.
 */
export async function listenInherited(
  accept: (socket: Socket) => void,
): Promise<Listener[] | null> {
  const descriptors = inheritedDescriptors(process.env, process.pid);
  if (descriptors.length === 0) return null;
  const listeners: Listener[] = [];
  try {
    for (const fd of descriptors) listeners.push(await listenAt(fd, accept));
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return listeners;
}

async function listenAt(fd: number, accept: (socket: Socket) => void): Promise<Listener> {
  const server = makeServer(accept);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const place: ListenAddress = { kind: "unix", path: `descriptor ${fd}` };
  const onError = (error: Error): void =>
    reject(
      new ListenError(
        "OTHER",
        place,
        `descriptor ${fd} of LISTEN_FDS is no stream socket that can be listened at ` +
          `(${"code" in error ? String(error.code) : error.message}); in a .socket unit use ListenStream= and Accept=no`,
      ),
    );
  server.once("error", onError);
  // The backlog is an argument of its own here: Node does not look for it in the options of an fd.
  server.listen({ fd }, BACKLOG, resolve);
  await promise;
  server.off("error", onError);
  return listenerOf(server, addressOf(server, fd), accept);
}

function addressOf(server: Server, fd: number): ListenAddress {
  const bound = server.address();
  if (bound !== null && typeof bound !== "string")
    return { kind: "tcp", host: plainAddress(bound.address), port: bound.port };
  // Node does not ask the kernel for the name of a Unix socket.
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
    // No /proc: the name is for the log only.
    return null;
  }
}
