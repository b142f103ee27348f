// Keeps connections within what the process may have open (net/open-files). At the limit libuv accepts a
// connection and closes it at once, and pipes to workers and temporary files fail as well. Near the limit the
// connections that have been idle longest are closed; if none is idle, a new connection gets 503.

import type { Socket } from "node:net";

import { PLAIN, type Arrival, type Engine } from "../http/engine.ts";
import { ERRORS } from "../http/error.ts";
import type { BoundAddress } from "../net/address.ts";
import type { OpenFiles } from "../net/open-files.ts";

/** A connection whose handshake is to come. */
const SECURE: Arrival = { scheme: "https", tls: null, peers: null };

export class DescriptorGuard {
  /** The engine whose connections the guard admits, refuses and closes. */
  readonly #engine: Engine;
  readonly #files: OpenFiles;

  constructor(engine: Engine, files: OpenFiles) {
    this.#engine = engine;
    this.#files = files;
  }

  /** `scheme`: what the socket's listener speaks. */
  accept(socket: Socket, scheme: BoundAddress["scheme"]): void {
    const arrival = scheme === "http" ? PLAIN : SECURE;
    if (this.#files.mayOpen()) this.#engine.accept(socket, arrival);
    // Even a 503 holds a descriptor for a while.
    else if (this.#files.isFull) socket.destroy();
    else this.#engine.refuse(socket, ERRORS.NO_DESCRIPTORS, arrival);
  }
}
