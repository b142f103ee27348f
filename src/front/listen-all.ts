// Listens at all addresses of a server: at the sockets of the service manager, else at the addresses of
// --bind, else at the default addresses. If one address fails, none stays open.
//
//   without TLS        port 80 of all addresses, else 127.0.0.1:8000
//   with certificates  port 443, and 80 for the redirect, else 127.0.0.1:8443
//   with domains       ports 443 and 80; an authority connects to them

import type { BoundAddress, SocketRights } from "../net/address.ts";
import { listenInherited } from "./inherited.ts";
import { listen, ListenError, type Accept, type Listener, type ListenTarget } from "./listener.ts";

const PUBLIC: BoundAddress = { kind: "tcp", scheme: "http", host: "0.0.0.0", port: 80 };
const LOOPBACK = "127.0.0.1";
const LOCAL: BoundAddress = { kind: "tcp", scheme: "http", host: LOOPBACK, port: 8000 };
/** Where a server with certificates listens. */
const PORTS = { https: 443, http: 80, local: 8443 } as const;
type Ports = Readonly<Record<keyof typeof PORTS, number>>;
/** All addresses of both families, and of IPv4 where there is no IPv6. */
const EVERYWHERE = ["::", "0.0.0.0"] as const;

const RIGHT_TO_LOW_PORTS =
  "needs root (with --user) or CAP_NET_BIND_SERVICE " +
  "(setcap cap_net_bind_service=+ep on node, or AmbientCapabilities= in systemd), or choose an address with --bind";

/** A developer reads this at every start. */
const NO_LOW_PORT = "needs root or CAP_NET_BIND_SERVICE; --bind chooses another address";

/** Open listeners. `notice`: a line for the operator if the addresses are not the expected ones, else null. */
export type Listening = { readonly listeners: readonly Listener[]; readonly notice: string | null };

export interface ListenOptions {
  readonly bind: "default" | "default-https" | "domains" | readonly BoundAddress[];
  /** Sockets of the parent process, by their numbers; empty: those of the service manager, else `bind`. */
  readonly descriptors: readonly number[];
  /** Whether there are certificates. */
  readonly hasTls: boolean;
  /** Whether requests without TLS are redirected. */
  readonly redirect: boolean;
  /** Of the files of Unix sockets that are made. */
  readonly socketRights: SocketRights;
}

/** Rejects with ListenError. */
export async function listenAll(
  { bind, descriptors, hasTls, redirect, socketRights }: ListenOptions,
  accept: Accept,
): Promise<Listening> {
  const inherited = await listenInherited(accept, hasTls, descriptors);
  if (inherited !== null) {
    const source = descriptors.length > 0 ? "--fd" : "LISTEN_FDS";
    const notice = `listening at the sockets of ${source}; no other address is used`;
    return { listeners: inherited, notice: typeof bind === "string" ? null : notice };
  }
  if (bind === "default") return listenDefault(accept);
  if (bind === "default-https") return listenHttps(accept, redirect);
  if (bind === "domains") return listenForDomains(accept);
  const ways = bind.map((address) => () => listen(address, accept, socketRights));
  return { listeners: await openAll(ways), notice: null };
}

/** Listens in one way after the other; if one fails, none stays open. */
async function openAll(ways: readonly (() => Promise<Listener>)[]): Promise<Listener[]> {
  const listeners: Listener[] = [];
  try {
    for (const open of ways) listeners.push(await open());
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return listeners;
}

/** Rejects with ListenError. */
async function everywhere(
  scheme: BoundAddress["scheme"],
  port: number,
  accept: Accept,
): Promise<Listener> {
  const [both, ipv4] = EVERYWHERE;
  try {
    return await listen({ kind: "tcp", scheme, host: both, port }, accept);
  } catch (error) {
    if (!(error instanceof ListenError) || error.code !== "EADDRNOTAVAIL") throw error;
    return await listen({ kind: "tcp", scheme, host: ipv4, port }, accept);
  }
}

/** Listens where an authority connects to. Rejects with ListenError. */
export async function listenForDomains(accept: Accept, ports: Ports = PORTS): Promise<Listening> {
  const { https, http } = ports;
  const ways = [
    () => everywhere("https", https, accept),
    () => everywhere("http", http, accept),
  ] as const;
  try {
    return { listeners: await openAll(ways), notice: null };
  } catch (error) {
    if (!(error instanceof ListenError) || error.code !== "EACCES") throw error;
    throw new ListenError(
      "EACCES",
      error.address,
      `--domain: an authority has to reach ports ${https} and ${http}, and this user may not bind them: that ${RIGHT_TO_LOW_PORTS}`,
    );
  }
}

/**
 * Listens for TLS, and without TLS for the redirect if that port can be had; on this machine only if the process has no right to
 * the port of TLS. Rejects with ListenError.
 */
export async function listenHttps(
  accept: Accept,
  redirect: boolean,
  ports: Ports = PORTS,
): Promise<Listening> {
  const { https, http, local } = ports;
  const secure = await orWithoutRight(() => everywhere("https", https, accept));
  if (secure === null) {
    const address = { kind: "tcp", scheme: "https", host: LOOPBACK, port: local } as const;
    const notice = `listening on this machine only: port ${https} ${NO_LOW_PORT}`;
    return { listeners: [await listen(address, accept)], notice };
  }
  if (!redirect) return { listeners: [secure], notice: null };
  try {
    return { listeners: [secure, await everywhere("http", http, accept)], notice: null };
  } catch (error) {
    if (error instanceof ListenError)
      return { listeners: [secure], notice: `no redirect from http: ${error.message}` };
    secure.close();
    throw error;
  }
}

/** Null if this process has no right to the address. Rejects with ListenError. */
async function orWithoutRight(open: () => Promise<Listener>): Promise<Listener | null> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof ListenError && error.code === "EACCES") return null;
    throw error;
  }
}

/**
 * Listens at `first`, or at `second` if the process has no right to bind `first`. A `first` that is in use is
 * an error: otherwise two servers would run at two addresses, and nobody would know which one a client
 * reaches. Rejects with ListenError.
 */
export async function listenDefault(
  accept: Accept,
  first: ListenTarget = PUBLIC,
  second: ListenTarget = LOCAL,
): Promise<Listening> {
  const listener = await orWithoutRight(() => listen(first, accept));
  if (listener !== null) return { listeners: [listener], notice: null };
  const notice = `listening on this machine only: port 80 ${NO_LOW_PORT}`;
  return { listeners: [await listen(second, accept)], notice };
}
