// The default address: port 80 on all addresses if this user may bind it, else port 8000 on 127.0.0.1. A port
// in use is an error and no reason to take the other address: then two servers would run at two addresses,
// and nobody would know which one a client reaches.

import type { Socket } from "node:net";

import type { ListenAddress } from "../net/address.ts";
import { listen, ListenError, type Listener } from "./listener.ts";

const PUBLIC: ListenAddress = { kind: "tcp", host: "0.0.0.0", port: 80 };
const LOCAL: ListenAddress = { kind: "tcp", host: "127.0.0.1", port: 8000 };

/**
 * Listens at `first`, or at `second` if the process has no right to bind `first`. `notice`: a line for the
 * operator about the second case, else null. Rejects with ListenError.
 */
export async function listenDefault(
  accept: (socket: Socket) => void,
  first: ListenAddress = PUBLIC,
  second: ListenAddress = LOCAL,
): Promise<{ listeners: readonly Listener[]; notice: string | null }> {
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
