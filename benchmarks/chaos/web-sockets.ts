// Many open WebSockets, and how each of them ended: the code of the close frame, or 1006 where the
// connection broke without one.

import { WebSocket } from "ws";

import { until, within } from "../../test/support/deadline.ts";
import { clockMs } from "../load/arrivals.ts";
import type { Subject } from "./subject.ts";

export interface SocketEnd {
  readonly code: number;
  readonly at: number;
}

export class WebSockets {
  /** null while it is open. */
  readonly ends: (SocketEnd | null)[];
  readonly #subject: Subject;
  readonly #sockets: readonly WebSocket[];
  #failed = 0;

  constructor(subject: Subject, count: number) {
    this.#subject = subject;
    this.ends = Array.from({ length: count }, () => null);
    this.#sockets = this.ends.map((_, at) => {
      const socket = new WebSocket(`ws://127.0.0.1:${subject.port}/socket`);
      // "close" follows and says all.
      socket.on("error", () => {
        this.#failed += 1;
      });
      socket.on("close", (code) => {
        this.ends[at] = { code, at: clockMs() };
      });
      return socket;
    });
  }

  get open(): number {
    return this.#sockets.filter(({ readyState }) => readyState === WebSocket.OPEN).length;
  }

  /** Resolves when all are open; throws if one cannot be opened. */
  async waitForAll(): Promise<void> {
    const isDone = (): boolean => this.#failed > 0 || this.open === this.#sockets.length;
    await until("all WebSockets are open", isDone, this.#subject.patienceMs);
    if (this.#failed > 0) throw new Error(`${this.#failed} WebSockets could not be opened`);
  }

  /** Sends a text by each that is open; how many of them got it back. */
  async echo(text: string): Promise<number> {
    const open = this.#sockets.filter(({ readyState }) => readyState === WebSocket.OPEN);
    const echoed = open.map(async (socket) => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      socket.once("message", (data) => {
        resolve(Buffer.isBuffer(data) && data.equals(Buffer.from(text)));
      });
      socket.once("close", () => resolve(false));
      socket.send(text);
      return await within(this.#subject.patienceMs, promise, "an echo").catch(() => false);
    });
    return (await Promise.all(echoed)).filter(Boolean).length;
  }

  /** Resolves to how many of `indices` have ended, when all have or the patience is over. */
  async waitForEnds(indices: readonly number[] = [...this.ends.keys()]): Promise<number> {
    const ended = (): number => indices.filter((at) => this.ends[at] !== null).length;
    const isDone = (): boolean => ended() === indices.length;
    await until("all WebSockets end", isDone, this.#subject.patienceMs).catch(() => undefined);
    return ended();
  }

  /** "180 × 1012, 20 × 1006", of those that have ended. */
  tellCodes(): string {
    const counted = new Map<number, number>();
    for (const end of this.ends)
      if (end !== null) counted.set(end.code, (counted.get(end.code) ?? 0) + 1);
    return [...counted].map(([code, count]) => `${count} × ${code}`).join(", ");
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }
}
