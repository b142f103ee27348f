// The WebSockets of a Python application, and how the front closes them when the server stops or their worker
// leaves: one after the other, so that their clients do not all come back at the same moment. How messages
// travel is each interface's.

import { machineMemoryBytes, MemoryBudget } from "../../net/memory-budget.ts";
import { CloseCode } from "../../websocket/close-code.ts";
import {
  MESSAGE_MEMORY_BYTES,
  MESSAGE_MEMORY_SHARE,
  OUTGOING_MEMORY_BYTES,
} from "../../websocket/limits.ts";
import type { JobListener, LostReason } from "../../workers/job.ts";
import type { PythonRequest } from "./python-request.ts";

/** Longest time between two of them: a few clients that come back at once are no harm. */
const MAX_SPACING_MS = 100;
const REASON = "the server restarts";

/** Bytes of all messages of an application, on a machine with `memoryBytes`. */
export function messageMemoryBytes(maxMessageBytes: number, memoryBytes: number): number {
  const share = Math.floor(memoryBytes * MESSAGE_MEMORY_SHARE);
  return Math.max(Math.min(MESSAGE_MEMORY_BYTES, share), 2 * maxMessageBytes);
}

/** All that are open. */
export class OpenWebSockets {
  /** For messages that are unfinished, or that the application has not received. */
  readonly budget: MemoryBudget;
  /** For messages on their way to clients that read, beyond a small window of each. */
  readonly outgoing = new MemoryBudget(OUTGOING_MEMORY_BYTES);
  readonly #leaveMs: number;
  readonly #open = new Set<PythonWebSocket>();
  /** Close code for WebSockets opened while closing; null while not closing. */
  #closingCode: number | null = null;
  /** WebSockets whose worker has said in this turn that it leaves. */
  #leaving: PythonWebSocket[] = [];

  /**
   * `leaveMs`: time over which the WebSockets of a worker that leaves are closed. `maxMessageBytes`: of one message
   * that the front reads.
   */
  constructor(leaveMs: number, maxMessageBytes = 0) {
    this.#leaveMs = leaveMs;
    const bytes = messageMemoryBytes(maxMessageBytes, machineMemoryBytes());
    this.budget = new MemoryBudget(bytes, 2 * bytes);
  }

  add(webSocket: PythonWebSocket): void {
    this.#open.add(webSocket);
    if (this.#closingCode !== null) webSocket.close(this.#closingCode, REASON);
  }

  delete(webSocket: PythonWebSocket): void {
    this.#open.delete(webSocket);
  }

  /** Closes all, spread over at most `overMs`; WebSockets that open later are closed at once. */
  closeAll(code: number, overMs: number): void {
    this.#closingCode = code;
    this.#close([...this.#open], code, overMs);
  }

  /** The worker of this WebSocket leaves. All WebSockets of one worker come in one turn. */
  leave(webSocket: PythonWebSocket): void {
    if (this.#leaving.length === 0) queueMicrotask(() => this.#closeLeaving());
    this.#leaving.push(webSocket);
  }

  #closeLeaving(): void {
    const leaving = this.#leaving;
    this.#leaving = [];
    this.#close(leaving, CloseCode.SERVICE_RESTART, this.#leaveMs);
  }

  #close(webSockets: readonly PythonWebSocket[], code: number, overMs: number): void {
    const spacing = Math.min(MAX_SPACING_MS, overMs / webSockets.length);
    for (const [index, webSocket] of webSockets.entries())
      setTimeout(() => {
        if (this.#open.has(webSocket)) webSocket.close(code, REASON);
      }, spacing * index).unref();
  }
}

/** One that was accepted: hears its job, and is closed when its worker ends or leaves. */
export abstract class PythonWebSocket implements JobListener {
  protected readonly request: PythonRequest;
  readonly #open: OpenWebSockets;
  #isClosed = false;

  constructor(request: PythonRequest, open: OpenWebSockets) {
    this.request = request;
    this.#open = open;
    request.job.listenWith(this);
  }

  /** Begins the closing handshake; nothing happens where it has begun. */
  abstract close(code: number, reason: string): void;
  abstract onFault(text: string): void;

  onLost(reason: LostReason): void {
    if (reason === "stopping") this.close(CloseCode.SERVICE_RESTART, "the server stops");
    else this.close(CloseCode.INTERNAL_ERROR, "the process ended");
  }

  /** An open WebSocket has no deadline. */
  isHeldByClient(): boolean {
    return true;
  }

  onWorkerLeaving(): void {
    this.#open.leave(this);
  }

  /** The client is connected: from here on the WebSocket may be closed from outside. */
  protected opened(): void {
    // Bytes that the client sent behind its handshake may have ended the connection already.
    if (this.#isClosed) return;
    this.#open.add(this);
    if (this.request.isWorkerLeaving) this.#open.leave(this);
  }

  /** Nothing more comes from the client. */
  protected closed(): void {
    this.#isClosed = true;
    this.#open.delete(this);
  }
}
