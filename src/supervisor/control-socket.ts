// The server's side of the control socket: a Unix socket beside the PID file, which only this user can open
// (docs/signals.md). Its clients are operators' commands, so all its limits are small.

import { lstatSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";

import { ControlError, isControlled } from "./control-client.ts";
import {
  LINE_MS,
  MAX_LINE_BYTES,
  readRequest,
  writeReply,
  type ControlReply,
} from "./control-protocol.ts";
import type { ReloadOutcome } from "./reloads.ts";

/** Most open connections; one more is closed at once. */
const MAX_CONNECTIONS = 16;
/** Mode 0600: only the owner may connect. */
const PRIVATE_UMASK = 0o177;

export class ControlSocket {
  readonly #server: Server;
  readonly #reload: () => Promise<ReloadOutcome>;
  readonly #restartNeeded: () => readonly string[];
  readonly #sockets = new Set<Socket>();

  private constructor(
    reload: () => Promise<ReloadOutcome>,
    restartNeeded: () => readonly string[],
  ) {
    this.#reload = reload;
    this.#restartNeeded = restartNeeded;
    // A client may end its sending side after its line and still read the reply.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /**
   * Listens at `path`; replaces a socket without a server there. Rejects with ControlError. `restartNeeded`: the options
   * whose values in the configuration that was read last hold only after a restart.
   */
  static async open(
    path: string,
    reload: () => Promise<ReloadOutcome>,
    restartNeeded: () => readonly string[],
  ): Promise<ControlSocket> {
    try {
      await removeStale(path);
      const control = new ControlSocket(reload, restartNeeded);
      await control.#listen(path);
      return control;
    } catch (error) {
      throw error instanceof Error ? ControlError.from(error) : error;
    }
  }

  /** Closes all connections and removes the socket's file. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen(path: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.on("error", reject);
    // listen() binds before it returns, so the file never has another mode.
    const before = process.umask(PRIVATE_UMASK);
    try {
      this.#server.listen({ path, backlog: MAX_CONNECTIONS }, resolve);
    } finally {
      process.umask(before);
    }
    await promise;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), LINE_MS);
    socket.on("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    // The command was interrupted; "close" follows.
    socket.on("error", () => undefined);
    socket.on("end", () => {
      if (!received.includes("\n")) socket.destroy();
    });
    let received = "";
    const onData = (text: string): void => {
      received += text;
      const [line = "", rest] = received.split("\n", 2);
      if (line.length > MAX_LINE_BYTES) socket.destroy();
      if (rest === undefined) return;
      clearTimeout(timer);
      socket.off("data", onData).resume();
      void this.#reply(socket, line);
    };
    socket.setEncoding("latin1").on("data", onData);
  }

  async #reply(socket: Socket, line: string): Promise<void> {
    const reply = await this.#run(line);
    if (reply === null) socket.destroy();
    else socket.end(`${writeReply(reply)}\n`, () => socket.destroy());
  }

  // Null if the server stops: the client then sees the end of the connection instead of a reply.
  async #run(line: string): Promise<ControlReply | null> {
    const { pid } = process;
    switch (readRequest(line)) {
      case "ping":
        return { ok: true, pid, ms: 0, restart: [] };
      case "reload": {
        const outcome = await this.#reload();
        if (outcome.kind === "stopped") return null;
        if (outcome.kind === "failed")
          return { ok: false, text: outcome.text, exitCode: outcome.isMistake ? 2 : 3 };
        return { ok: true, pid, ms: outcome.ms, restart: this.#restartNeeded() };
      }
      default:
        return { ok: false, text: 'expected {"op":"reload"} or {"op":"ping"}', exitCode: 2 };
    }
  }
}

/** Removes a socket that a killed server left behind. Leaves a socket with a server, and any other file. */
async function removeStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  if (!(await isControlled(path))) unlinkSync(path);
}
