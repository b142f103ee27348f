// Listens at TCP addresses and Unix paths. What an operator can do wrong here, a port in use, a port that
// needs rights, a path that is taken, ends in a ListenError whose text names the address and the remedy.

import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

import { formatAddress, type ListenAddress } from "../net/address.ts";
import { shareReads } from "./shared-reads.ts";

/** Connections that the kernel holds until we accept them; Linux caps it at net.core.somaxconn (4,096). */
export const BACKLOG = 2048;
/** Bytes that a socket holds before it says that it is full; `http1` counts on it. */
const HIGH_WATER_MARK_BYTES = 65_536;

export type ListenErrorCode = "EADDRINUSE" | "EACCES" | "EADDRNOTAVAIL" | "ENOTFOUND" | "OTHER";

/** An address cannot be had; the message is one line for the operator. */
export class ListenError extends Error {
  readonly code: ListenErrorCode;
  readonly address: ListenAddress;

  constructor(code: ListenErrorCode, address: ListenAddress, message: string) {
    super(message);
    this.code = code;
    this.address = address;
  }
}

/** A place that is listened at. */
export interface Listener {
  /** With the real port, where 0 was asked for. */
  readonly address: ListenAddress;
  /** "http://127.0.0.1:8000" or "unix:/run/a.sock". */
  readonly url: string;
  /** Stops accepting; a Unix socket's file goes. Connections stay. */
  close(): void;
}

/**
 * Listens and hands each socket to `accept`; what one of them reads is valid during its "data" only.
 * Rejects with ListenError.
 */
export async function listen(
  address: ListenAddress,
  accept: (socket: Socket) => void,
): Promise<Listener> {
  if (address.kind === "unix") await removeStaleSocket(address.path);
  const server = makeServer(accept);
  await bind(server, address);
  return listenerOf(server, realAddress(server, address), accept);
}

/** A server that does not listen yet. */
export function makeServer(accept: (socket: Socket) => void): Server {
  return createServer(
    {
      // A client that has ended its sending side still reads its answer.
      allowHalfOpen: true,
      noDelay: true,
      highWaterMark: HIGH_WATER_MARK_BYTES,
    },
    accept,
  );
}

/** What a server is that listens at `address`. */
export function listenerOf(
  server: Server,
  address: ListenAddress,
  accept: (socket: Socket) => void,
): Listener {
  shareReads(server, HIGH_WATER_MARK_BYTES, accept);
  // A failed accept (descriptors, a client that left meanwhile) must not end the server.
  server.on("error", ignoreAcceptError);
  return {
    address,
    url: address.kind === "tcp" ? `http://${formatAddress(address)}` : formatAddress(address),
    close: () => {
      server.close();
    },
  };
}

function bind(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(explain(error, address));
    server.once("error", onError);
    const onListening = (): void => {
      server.off("error", onError);
      resolve();
    };
    if (address.kind === "unix")
      server.listen({ path: address.path, backlog: BACKLOG }, onListening);
    else server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, onListening);
  });
}

function realAddress(server: Server, address: ListenAddress): ListenAddress {
  const bound = server.address();
  if (address.kind === "unix" || bound === null || typeof bound === "string") return address;
  return { kind: "tcp", host: address.host, port: bound.port };
}

/** A socket file that a killed server left behind goes; one that somebody listens at stays. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) return;
  } catch {
    // Nothing there, or nothing we may see: bind() says what is wrong.
    return;
  }
  if (await isListenedAt(path)) return;
  try {
    unlinkSync(path);
  } catch {
    // The folder does not let us: bind() says that the path is taken.
  }
}

function isListenedAt(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Only a refused connection says that nobody is there; a full backlog or missing rights do not.
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
      `${place} is in use: stop what listens there, or choose another with --bind`,
    );
  if (code === "EACCES" || code === "EPERM") {
    const remedy =
      address.kind === "tcp"
        ? "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with --bind"
        : "the folder must be writable";
    return new ListenError("EACCES", address, `no permission to listen at ${place}: ${remedy}`);
  }
  if (code === "EADDRNOTAVAIL")
    return new ListenError(code, address, `${place} is not an address of this machine`);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return new ListenError("ENOTFOUND", address, `${place}: no such host name`);
  return new ListenError("OTHER", address, `cannot listen at ${place}: ${code}`);
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

function ignoreAcceptError(): void {
  // See the listener's place.
}
