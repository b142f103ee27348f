// Keeps connections within what the process may have open (net/open-files). At the limit libuv accepts a
// connection and closes it at once, and pipes to workers and temporary files fail as well. Near the limit the
// connections that have been idle longest are closed; if none is idle, a new connection gets 503.

import type { Socket } from "node:net";

import type { Engine } from "../http/engine.ts";
import { ERRORS } from "../http/error.ts";
import type { OpenFiles } from "../net/open-files.ts";

export class DescriptorGuard {
  /** The engine whose connections the guard admits, refuses and closes. */
  readonly #engine: Engine;
  readonly #files: OpenFiles;

  constructor(engine: Engine, files: OpenFiles) {
    this.#engine = engine;
    this.#files = files;
  }

  accept(socket: Socket): void {
    if (this.#files.mayOpen()) this.#engine.accept(socket);
    // Even a 503 holds a descriptor for a while.
    else if (this.#files.isFull) socket.destroy();
    else this.#engine.refuse(socket, ERRORS.NO_DESCRIPTORS);
  }
}
