// Where to listen when nobody has said: port 80 on all addresses, where it may be bound, else a port of
// this machine only. A busy port is an error and not a reason to go elsewhere: two servers would answer
// at two places, and nobody would know which.

import type { Socket } from "node:net";

import type { ListenAddress } from "../net/address.ts";
import { listen, ListenError, type Listener } from "./listener.ts";

const PUBLIC: ListenAddress = { kind: "tcp", host: "0.0.0.0", port: 80 };
const LOCAL: ListenAddress = { kind: "tcp", host: "127.0.0.1", port: 8000 };

export interface DefaultAddresses {
  /** What to try first, and what to take if that needs rights we lack. */
  readonly first: ListenAddress;
  readonly second: ListenAddress;
}

/** `notice`: a line for the operator where it is not the first address, else null. Rejects with ListenError. */
export async function listenDefault(
  accept: (socket: Socket) => void,
  { first, second }: DefaultAddresses = { first: PUBLIC, second: LOCAL },
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
