// Many clients that each send the same bytes and then wait, reading or not: what clients can make a server keep.

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import type { Subject } from "./subject.ts";

/** Connections that are opened at a time: a listening socket's queue is limited. */
const AT_ONCE = 200;
/** A server that uses less of a core over so long has nothing left to do for the crowd. */
const QUIET_MS = 500;
const QUIET_SHARE = 0.1;

export interface CrowdOptions {
  readonly count: number;
  /** What the client at this index sends. */
  readonly bytes: (at: number) => Buffer | string;
  /** Whether responses are read. */
  readonly reads: boolean;
}

export class Crowd {
  readonly #sockets: Socket[] = [];
  readonly #statuses = new Map<string, number>();
  #ended = 0;

  /** Clients that the server has ended. */
  get ended(): number {
    return this.#ended;
  }

  /** Opens all connections and sends; resolves when the server does nothing more for them. */
  async attack(subject: Subject, { count, bytes, reads }: CrowdOptions): Promise<void> {
    for (let from = 0; from < count; from += AT_ONCE) {
      const group = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, at) =>
        this.#open(subject.port, bytes(from + at), reads),
      );
      await Promise.all(group);
    }
    await waitForQuiet(subject);
  }

  /** "1,000 × 431, 20 × nothing", of the clients that read. */
  tell(): string {
    return [...this.#statuses].map(([status, count]) => `${count} × ${status}`).join(", ");
  }

  statusCount(status: number): number {
    return this.#statuses.get(String(status)) ?? 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resolves when the connection is open or refused. */
  #open(port: number, bytes: Buffer | string, reads: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = connect({ port, host: "127.0.0.1" });
    this.#sockets.push(socket);
    socket.setEncoding("latin1");
    if (!reads) socket.pause();
    socket.on("connect", () => {
      resolve();
      socket.write(bytes, "latin1");
    });
    socket.once("data", (text: string) => {
      const status = text.slice(9, 12);
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    });
    // "close" follows and says all.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      resolve();
      this.#ended += 1;
    });
    return promise;
  }
}

/** Resolves when the server does nothing more. */
async function waitForQuiet(subject: Subject): Promise<void> {
  const last = performance.now() + subject.patienceMs;
  let used = Infinity;
  while (used > (QUIET_SHARE * QUIET_MS) / 1000 && performance.now() < last) {
    const before = subject.cpuSeconds();
    await sleep(QUIET_MS);
    used = subject.cpuSeconds() - before;
  }
}
