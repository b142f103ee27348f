// Connections that come before the server takes requests. A server that gives root's rights away binds its ports
// first and loads the applications afterwards: until then connections are accepted and not read.
//
//   holding ──release──▶ released: every connection goes on
//           ──close────▶ closed: every connection ends

import type { Socket } from "node:net";

import type { BoundAddress } from "../net/address.ts";
import type { Accept } from "./listener.ts";

/** Connections that wait; a further one is closed. Half of the descriptors that a process has at least (1,024). */
export const MAX_HELD_CONNECTIONS = 512;

interface Held {
  readonly socket: Socket;
  readonly scheme: BoundAddress["scheme"];
}

export class HeldConnections {
  #held: Held[] = [];
  /** Null while holding. */
  #accept: Accept | null = null;

  readonly accept: Accept = (socket, scheme) => {
    if (this.#accept !== null) {
      this.#accept(socket, scheme);
      return;
    }
    if (this.#held.length >= MAX_HELD_CONNECTIONS) {
      socket.destroy();
      return;
    }
    // In the turn that made the socket, so that nothing has been read.
    socket.pause();
    socket.on("error", ignore);
    this.#held.push({ socket, scheme });
  };

  /** Passes on the connections that wait, and every further one. */
  release(accept: Accept): void {
    this.#accept = accept;
    const held = this.#held;
    this.#held = [];
    for (const { socket, scheme } of held) {
      socket.off("error", ignore);
      if (socket.destroyed) continue;
      accept(socket, scheme);
      socket.resume();
    }
  }

  /** Ends the connections that wait, and every further one; does nothing after `release`. */
  close(): void {
    if (this.#accept === null) this.release((socket) => void socket.destroy());
  }
}

/** A client that left while it waited; "close" follows. */
function ignore(): void {}
