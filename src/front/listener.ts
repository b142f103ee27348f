// Listens at TCP addresses and Unix paths. A port in use, a port that needs rights or a path that is taken
// is a ListenError, whose text names the address and the remedy for the operator.

import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

import {
  formatAddress,
  formatUrl,
  type BoundAddress,
  type ListenAddress,
  type SocketRights,
} from "../net/address.ts";
import { shareReads } from "./shared-reads.ts";
import { setSocketRights } from "./socket-rights.ts";

/** Connections that the kernel queues until they are accepted; Linux caps it at net.core.somaxconn (4,096). */
export const BACKLOG = 2048;
/** Unsent bytes at which a socket's write() returns false; `http1` relies on this value. */
const HIGH_WATER_MARK_BYTES = 65_536;

export type ListenErrorCode = "EADDRINUSE" | "EACCES" | "EADDRNOTAVAIL" | "ENOTFOUND" | "OTHER";

/** An address cannot be listened at; the message is one line for the operator. */
export class ListenError extends Error {
  readonly code: ListenErrorCode;
  readonly address: ListenAddress;

  constructor(code: ListenErrorCode, address: ListenAddress, message: string) {
    super(message);
    this.code = code;
    this.address = address;
  }
}

/** Every local user may connect, as for a TCP port of this machine. */
const OPEN_RIGHTS: SocketRights = { mode: 0o666, owner: null };
/** The socket's file begins without any rights. */
const CLOSED_UMASK = 0o777;

/** An address to listen at; without TLS if it has no scheme. */
export type ListenTarget = ListenAddress & { readonly scheme?: BoundAddress["scheme"] };

/** Takes an accepted socket; `scheme`: what its listener speaks. */
export type Accept = (socket: Socket, scheme: BoundAddress["scheme"]) => void;

/** An open listening socket. */
export interface Listener {
  /** The address, with the real port if port 0 was requested. */
  readonly address: BoundAddress;
  /** "http://127.0.0.1:8000", "https://[::]:443" or "unix:/run/a.sock". */
  readonly url: string;
  /** Stops accepting and removes a Unix socket's file. Open connections stay. */
  close(): void;
}

/**
 * Listens and passes each socket to `accept`. The bytes of a socket's "data" event are valid only during the
 * event (shared-reads.ts). Rejects with ListenError.
 */
export async function listen(
  address: ListenTarget,
  accept: Accept,
  rights: SocketRights = OPEN_RIGHTS,
): Promise<Listener> {
  if (address.kind === "unix") await removeStaleSocket(address.path);
  const { kind, scheme = "http" } = address;
  const acceptHere = (socket: Socket): void => passOn(socket, { kind, scheme }, accept);
  const server = makeServer(acceptHere);
  await bind(server, address, rights);
  return listenerOf(server, { ...realAddress(server, address), scheme }, acceptHere);
}

/**
 * Passes an accepted socket on. A TCP client that has reset its connection has no address any more: passed on, it
 * would be taken for the client of a Unix socket, which may be trusted. Node keeps an address that was read once.
 */
export function passOn(
  socket: Socket,
  { kind, scheme }: Pick<BoundAddress, "kind" | "scheme">,
  accept: Accept,
): void {
  if (kind === "tcp" && socket.remoteAddress === undefined) socket.destroy();
  else accept(socket, scheme);
}

/** Makes a server that does not listen yet. */
export function makeServer(accept: (socket: Socket) => void): Server {
  return createServer(
    {
      // A client that has closed its sending side still reads its response.
      allowHalfOpen: true,
      noDelay: true,
      highWaterMark: HIGH_WATER_MARK_BYTES,
    },
    accept,
  );
}

/** The Listener of a server that listens at `address`. */
export function listenerOf(
  server: Server,
  address: BoundAddress,
  accept: (socket: Socket) => void,
): Listener {
  shareReads(server, HIGH_WATER_MARK_BYTES, accept);
  // A failed accept (EMFILE, ECONNABORTED) is not fatal.
  server.on("error", () => undefined);
  return {
    address,
    url: formatUrl(address),
    close: () => {
      server.close();
    },
  };
}

function bind(server: Server, address: ListenAddress, rights: SocketRights): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(explain(error, address));
    server.once("error", onError);
    const onListening = (): void => {
      server.off("error", onError);
      resolve();
    };
    if (address.kind === "unix") listenAtPath(server, address.path, rights, onListening);
    else server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, onListening);
  });
}

// listen() binds before it returns. The file has no rights until it has its owner, so that nobody connects by
// the rights of another owner. Throws ListenError.
function listenAtPath(
  server: Server,
  path: string,
  rights: SocketRights,
  onListening: () => void,
): void {
  const before = process.umask(CLOSED_UMASK);
  try {
    server.listen({ path, backlog: BACKLOG }, onListening);
  } finally {
    process.umask(before);
  }
  // The file of another server, if the path is taken.
  if (!server.listening) return;
  try {
    setSocketRights(path, rights);
  } catch (error) {
    server.close();
    const code = error instanceof Error ? codeOf(error) : "";
    const reason =
      code === "EPERM"
        ? "only root may give it to another user, or to a group that this user is not in"
        : code;
    const place: ListenAddress = { kind: "unix", path };
    throw new ListenError("OTHER", place, `unix:${path} cannot get --socket-owner: ${reason}`);
  }
}

function realAddress(server: Server, address: ListenAddress): ListenAddress {
  const bound = server.address();
  if (address.kind === "unix" || bound === null || typeof bound === "string") return address;
  return { kind: "tcp", host: address.host, port: bound.port };
}

/** Removes a socket file that a killed server left behind; leaves one that a server listens at. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) return;
  } catch {
    // No such file, or no right to see it: bind() reports the error.
    return;
  }
  if (await isListenedAt(path)) return;
  try {
    unlinkSync(path);
  } catch {
    // No right to remove it: bind() reports that the path is taken.
  }
}

function isListenedAt(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Only ECONNREFUSED means that no server listens; a full backlog or missing rights do not.
    socket.once("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED"));
  });
}

function explain(error: Error, address: ListenAddress): ListenError {
  const place = formatAddress(address);
  const code = codeOf(error);
  if (code === "EADDRINUSE")
    return new ListenError(
      code,
      address,
      `${place} is in use: stop the program that listens there, or choose another address with --bind`,
    );
  if (code === "EACCES" || code === "EPERM") {
    const remedy =
      address.kind === "tcp"
        ? "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another port with --bind"
        : "the folder must be writable for this user";
    return new ListenError("EACCES", address, `no permission to listen at ${place}: ${remedy}`);
  }
  if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT")
    return new ListenError("EADDRNOTAVAIL", address, `${place} is not an address of this machine`);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return new ListenError("ENOTFOUND", address, `${place}: no such host name`);
  return new ListenError("OTHER", address, `cannot listen at ${place}: ${code}`);
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}
