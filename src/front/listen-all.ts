// Listens at all addresses of a server: at the sockets of the service manager, else at the addresses of
// --bind, else at the default address. The default is port 80 on all addresses if this user may bind it, else
// port 8000 on 127.0.0.1. If one address fails, none stays open.

import type { Socket } from "node:net";

import type { ListenAddress, SocketRights } from "../net/address.ts";
import { listenInherited } from "./inherited.ts";
import { listen, ListenError, type Listener } from "./listener.ts";

const PUBLIC: ListenAddress = { kind: "tcp", host: "0.0.0.0", port: 80 };
const LOCAL: ListenAddress = { kind: "tcp", host: "127.0.0.1", port: 8000 };

/** Open listeners. `notice`: a line for the operator if the addresses are not the expected ones, else null. */
type Listening = { readonly listeners: readonly Listener[]; readonly notice: string | null };

interface ListenOptions {
  readonly bind: "default" | readonly ListenAddress[];
  /** Of the files of Unix sockets that are made. */
  readonly socketRights: SocketRights;
}

/** Rejects with ListenError. */
export async function listenAll(
  { bind, socketRights }: ListenOptions,
  accept: (socket: Socket) => void,
): Promise<Listening> {
  const inherited = await listenInherited(accept);
  if (inherited !== null) {
    const notice = "listening at the sockets of LISTEN_FDS; no other address is used";
    return { listeners: inherited, notice: bind === "default" ? null : notice };
  }
  if (bind === "default") return listenDefault(accept);
  const listeners: Listener[] = [];
  try {
    for (const address of bind) listeners.push(await listen(address, accept, socketRights));
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return { listeners, notice: null };
}

/**
 * Listens at `first`, or at `second` if the process has no right to bind `first`. A `first` that is in use is
 * an error: otherwise two servers would run at two addresses, and nobody would know which one a client
 * reaches. Rejects with ListenError.
 */
export async function listenDefault(
  accept: (socket: Socket) => void,
  first: ListenAddress = PUBLIC,
  second: ListenAddress = LOCAL,
): Promise<Listening> {
  try {
    return { listeners: [await listen(first, accept)], notice: null };
  } catch (error) {
    if (!(error instanceof ListenError) || error.code !== "EACCES") throw error;
  }
  return {
    listeners: [await listen(second, accept)],
    notice:
      "listening on this machine only: port 80 needs root or CAP_NET_BIND_SERVICE " +
      "(setcap cap_net_bind_service=+ep on node, or AmbientCapabilities= in systemd), or choose an address with --bind",
  };
}
