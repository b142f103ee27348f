// The bytes of an application's messages that may be on their way to one client of a WebSocket. The window is small
// at first: tens of thousands of clients that read nothing must not hold a large one each. A client that reads gets
// a larger one, while there is memory for it.

import type { MemoryBudget } from "../../net/memory-budget.ts";

/** Bytes that a worker may send at first: WS_CREDIT_BYTES of the worker. Credit comes in steps of at least half. */
const WINDOW_BYTES = 65_536;
/** Bytes more for a client that has taken so many: its window is as large as that of a response. */
const WIDER_BYTES = 196_608;

export class MessageWindow {
  readonly #budget: MemoryBudget;
  readonly #grant: (bytes: number) => void;
  #state: "narrow" | "wide" | "closed" = "narrow";
  /** Bytes that the client has taken: while the window is narrow, and since the last credit. */
  #taken = 0;
  #owed = 0;

  /** `budget`: for the larger windows of all clients. `grant` gives the worker credit. */
  constructor(budget: MemoryBudget, grant: (bytes: number) => void) {
    this.#budget = budget;
    this.#grant = grant;
  }

  /** The client has taken bytes of a message. */
  take(bytes: number): void {
    this.#owed += bytes;
    if (this.#state === "narrow") this.#widen(bytes);
    if (this.#owed < WINDOW_BYTES / 2) return;
    this.#grant(this.#owed);
    this.#owed = 0;
  }

  /** No client is there any more. */
  close(): void {
    if (this.#state === "wide") this.#budget.give(WIDER_BYTES);
    this.#state = "closed";
  }

  #widen(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < WINDOW_BYTES || !this.#budget.hasRoom) return;
    this.#state = "wide";
    this.#budget.take(WIDER_BYTES);
    this.#owed += WIDER_BYTES;
  }
}
