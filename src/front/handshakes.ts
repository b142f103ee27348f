// How many TLS handshakes run. One costs the front 0.3 … 1 ms (a signature), a hundred times a small request:
// a burst of them must not hold up the connections that are open. So a few begin in one turn of the event loop, and
// the others wait. Knows no TLS; the time is an argument.

import { TurnBudget } from "../net/turn-budget.ts";

/** Handshakes that wait for their clients. One holds about 60 kB until it is over. */
export const MAX_HANDSHAKES = 1024;
/** Connections whose handshake has not begun; further ones are closed. */
export const MAX_WAITING_HANDSHAKES = 1024;
/** Handshakes that begin in one turn of the event loop. */
export const HANDSHAKES_A_TURN = 8;
/** When MAX_HANDSHAKES run, one whose client has let it wait for so long gives way, ms. */
export const HANDSHAKE_GRACE_MS = 1000;

interface Handshake {
  /** When the connection was accepted, ms. */
  readonly since: number;
  begin(): void;
  fail(reason: string): void;
}

export class Handshakes<H extends Handshake> {
  readonly #running = new Set<H>();
  #waiting: H[] = [];
  readonly #turn = new TurnBudget(HANDSHAKES_A_TURN);
  #isScheduled = false;

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Begins a handshake now or later, or ends its connection if too many wait. */
  request(handshake: H): void {
    if (this.#waiting.length === 0 && this.#hasRoom) this.#begin(handshake);
    else if (this.#waiting.length < MAX_WAITING_HANDSHAKES) {
      this.#waiting.push(handshake);
      this.#schedule();
    } else handshake.fail("too many handshakes");
  }

  /** A handshake is over, or its connection has ended. */
  remove(handshake: H): void {
    if (this.#running.delete(handshake)) this.#schedule();
    else if (this.#waiting.length > 0)
      this.#waiting = this.#waiting.filter((one) => one !== handshake);
  }

  /** Ends the handshakes whose clients let them wait, as far as others wait for their places. */
  tick(now: number): void {
    if (this.#waiting.length === 0 || this.#running.size < MAX_HANDSHAKES) return;
    const late = [...this.#running].filter(({ since }) => now - since >= HANDSHAKE_GRACE_MS);
    late.sort((a, b) => a.since - b.since);
    for (const handshake of late.slice(0, this.#waiting.length))
      handshake.fail("too many handshakes");
  }

  get #hasRoom(): boolean {
    return this.#running.size < MAX_HANDSHAKES && this.#turn.hasRoom;
  }

  #begin(handshake: H): void {
    this.#turn.charge(1);
    this.#running.add(handshake);
    handshake.begin();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    // Behind the budget's own immediate: the next turn has its whole budget.
    setImmediate(() => {
      this.#isScheduled = false;
      while (this.#hasRoom) {
        const next = this.#waiting.shift();
        if (next === undefined) return;
        this.#begin(next);
      }
      // With no free place the end of a running handshake schedules again.
      if (this.#running.size < MAX_HANDSHAKES) this.#schedule();
    });
  }
}
