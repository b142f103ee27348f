// The WebSockets of an application that are open, and how they are closed when the server stops or their
// worker leaves: one after the other, so that their clients do not all come back in the same moment.

import { MemoryBudget } from "../../net/memory-budget.ts";
import { CloseCode } from "../../websocket/close-code.ts";
import { MESSAGE_MEMORY_BYTES } from "../../websocket/limits.ts";

/** Over so long the WebSockets of a worker that leaves are closed; it has --graceful-timeout in all. */
const LEAVE_MS = 5000;
/** Between two of them: a few that come back at once are no harm, and nobody has to wait for the others. */
const MAX_SPACING_MS = 100;
const STEP_MS = 25;
const REASON = "the server restarts";

export interface OpenWebSocket {
  /** Number of the worker that has it. */
  readonly worker: number;
  /** Begins the closing handshake; nothing happens where it has begun. */
  closeBy(code: number, reason: string): void;
}

interface Departure {
  readonly webSocket: OpenWebSocket;
  readonly code: number;
  /** performance.now(), ms. */
  readonly at: number;
}

export class OpenWebSockets {
  /** For messages that are unfinished or wait. */
  readonly budget = new MemoryBudget(MESSAGE_MEMORY_BYTES);
  readonly #leaveMs: number;
  readonly #open = new Set<OpenWebSocket>();
  /** What those get that open from now on; null: they may. */
  #closing: number | null = null;
  /** Those whose worker has just said that it leaves. */
  #left: OpenWebSocket[] = [];
  #departures: Departure[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(leaveMs = LEAVE_MS) {
    this.#leaveMs = leaveMs;
  }

  get size(): number {
    return this.#open.size;
  }

  add(webSocket: OpenWebSocket): void {
    this.#open.add(webSocket);
    if (this.#closing !== null) webSocket.closeBy(this.#closing, REASON);
  }

  delete(webSocket: OpenWebSocket): void {
    this.#open.delete(webSocket);
  }

  /** Closes all, spread over at most `overMs`; those that open later at once. */
  closeAll(code: number, overMs: number): void {
    this.#closing = code;
    this.#close([...this.#open], code, overMs);
  }

  /** Closes those of some workers, spread over at most `overMs`. */
  closeOf(workers: readonly number[], code: number, overMs: number): void {
    const chosen = [...this.#open].filter(({ worker }) => workers.includes(worker));
    this.#close(chosen, code, overMs);
  }

  /** Its worker leaves. All of one worker come in one turn. */
  leave(webSocket: OpenWebSocket): void {
    if (this.#left.length === 0) queueMicrotask(() => this.#closeLeft());
    this.#left.push(webSocket);
  }

  #closeLeft(): void {
    const left = this.#left;
    this.#left = [];
    this.#close(left, CloseCode.SERVICE_RESTART, this.#leaveMs);
  }

  #close(chosen: readonly OpenWebSocket[], code: number, overMs: number): void {
    const now = performance.now();
    const spacing = Math.min(MAX_SPACING_MS, overMs / chosen.length);
    for (const [index, webSocket] of chosen.entries())
      this.#departures.push({ webSocket, code, at: now + spacing * index });
    this.#departures.sort((a, b) => a.at - b.at);
    this.#timer ??= setInterval(() => this.#step(), STEP_MS).unref();
    this.#step();
  }

  #step(): void {
    const now = performance.now();
    const due = this.#departures.filter(({ at }) => at <= now);
    this.#departures = this.#departures.slice(due.length);
    for (const { webSocket, code } of due)
      if (this.#open.has(webSocket)) webSocket.closeBy(code, REASON);
    if (this.#departures.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
