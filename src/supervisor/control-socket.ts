// The server's side of the control socket: a Unix socket beside the PID file that only this user can
// connect to (docs/signals.md). It serves commands, never requests, so everything about it is small.

import { lstatSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";

import { ControlError, isControlled } from "./control-client.ts";
import {
  LINE_MS,
  MAX_LINE_BYTES,
  readRequest,
  writeAnswer,
  type ControlAnswer,
} from "./control-protocol.ts";
import type { ReloadOutcome } from "./reload-outcome.ts";

/** Commands that wait at the same time; one more is cut. */
const MAX_CONNECTIONS = 16;
/** Nobody but the owner may even connect. */
const PRIVATE_UMASK = 0o177;

export class ControlSocket {
  readonly #server: Server;
  readonly #reload: () => Promise<ReloadOutcome>;
  readonly #sockets = new Set<Socket>();

  private constructor(reload: () => Promise<ReloadOutcome>) {
    this.#reload = reload;
    // A command may end its side when it has said its line.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#hear(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Listens at `path`, in the place of a socket that nobody listens at. Rejects with ControlError. */
  static async open(path: string, reload: () => Promise<ReloadOutcome>): Promise<ControlSocket> {
    try {
      await removeStale(path);
      const control = new ControlSocket(reload);
      await control.#listen(path);
      return control;
    } catch (error) {
      throw error instanceof Error ? ControlError.from(error) : error;
    }
  }

  /** Cuts who waits; the file goes. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen(path: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.on("error", reject);
    // Binding is done within the call, so the file has its mode from its first moment.
    const before = process.umask(PRIVATE_UMASK);
    try {
      this.#server.listen({ path, backlog: MAX_CONNECTIONS }, resolve);
    } finally {
      process.umask(before);
    }
    await promise;
  }

  #hear(socket: Socket): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), LINE_MS);
    socket.on("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    // A command that was interrupted; "close" follows.
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
      void this.#answer(socket, line);
    };
    socket.setEncoding("latin1").on("data", onData);
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    const answer = await this.#obey(line);
    if (answer === null) socket.destroy();
    else socket.end(`${writeAnswer(answer)}\n`, () => socket.destroy());
  }

  // Null: the server ends, and who asks sees it by the end of the connection.
  async #obey(line: string): Promise<ControlAnswer | null> {
    const { pid } = process;
    switch (readRequest(line)) {
      case "ping":
        return { ok: true, pid, ms: 0 };
      case "reload": {
        const outcome = await this.#reload();
        if (outcome.kind === "stopped") return null;
        if (outcome.kind === "failed") return { ok: false, text: outcome.text };
        return { ok: true, pid, ms: outcome.ms };
      }
      default:
        return { ok: false, text: 'expected {"op":"reload"} or {"op":"ping"}' };
    }
  }
}

/** A socket that a killed server left behind goes; one that somebody listens at, or no socket, stays. */
async function removeStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  if (!(await isControlled(path))) unlinkSync(path);
}
