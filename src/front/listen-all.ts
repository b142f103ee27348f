// All addresses of a server at once: those of sockets that the service manager passes, else those that
// the operator chose, else the default one. Either all of them are listened at, or none.

import type { Socket } from "node:net";

import type { ListenAddress } from "../net/address.ts";
import { listenDefault } from "./default-address.ts";
import { listenInherited } from "./inherited.ts";
import { listen, type Listener } from "./listener.ts";

const BIND_UNUSED =
  "the sockets that were passed by LISTEN_FDS are listened at; the address that was chosen is not";

/** `notice`: a line for the operator where other addresses are listened at than expected, else null. Rejects with ListenError. */
export async function listenAll(
  addresses: "default" | readonly ListenAddress[],
  accept: (socket: Socket) => void,
): Promise<{ listeners: readonly Listener[]; notice: string | null }> {
  const inherited = await listenInherited(accept);
  if (inherited !== null)
    return { listeners: inherited, notice: addresses === "default" ? null : BIND_UNUSED };
  if (addresses === "default") return listenDefault(accept);
  const listeners: Listener[] = [];
  try {
    for (const address of addresses) listeners.push(await listen(address, accept));
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return { listeners, notice: null };
}
