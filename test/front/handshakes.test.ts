// How many handshakes run and wait. No sockets; the time is an argument.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import {
  HANDSHAKE_GRACE_MS,
  Handshakes,
  MAX_HANDSHAKES,
  MAX_WAITING_HANDSHAKES,
} from "../../src/front/handshakes.ts";

class Handshake {
  state = "waiting";
  readonly since: number;
  readonly #all: Handshakes<Handshake>;

  constructor(all: Handshakes<Handshake>, since = 0) {
    this.since = since;
    this.#all = all;
    all.request(this);
  }

  begin(): void {
    this.state = "running";
  }

  fail(): void {
    this.state = "failed";
    this.#all.remove(this);
  }

  finish(): void {
    this.state = "done";
    this.#all.remove(this);
  }
}

function statesOf(handshakes: readonly Handshake[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of handshakes) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** Turns of the event loop in which all that may begin has begun. */
async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 2 * MAX_HANDSHAKES; turn += 1) await nextTurn();
}

describe("handshakes", () => {
  it("begin a few in each turn of the event loop, in order", async () => {
    const all = new Handshakes<Handshake>();
    const some = Array.from({ length: 30 }, () => new Handshake(all));
    const first = statesOf(some)["running"] ?? 0;
    assert(first > 0 && first < 15, `${first} in the first turn`);
    assert(some.slice(0, first).every(({ state }) => state === "running"));
    await nextTurn();
    const second = statesOf(some)["running"] ?? 0;
    assert(second > first && second <= 2 * first, `${second} after the second turn`);
    await manyTurns();
    assert.deepEqual(statesOf(some), { running: 30 });
    for (const one of some) one.finish();
    assert.deepEqual([all.running, all.waiting], [0, 0]);
  });

  it("wait when too many run, and are refused when too many wait", async () => {
    const all = new Handshakes<Handshake>();
    const running: Handshake[] = [];
    while (running.length < MAX_HANDSHAKES) {
      running.push(new Handshake(all));
      await nextTurn();
    }
    assert.deepEqual(statesOf(running), { running: MAX_HANDSHAKES });
    const waiting = Array.from({ length: MAX_WAITING_HANDSHAKES }, () => new Handshake(all));
    assert.equal(new Handshake(all).state, "failed");
    await manyTurns();
    assert.deepEqual(statesOf(waiting), { waiting: MAX_WAITING_HANDSHAKES });
    running[0]?.finish();
    await nextTurn();
    await nextTurn();
    assert.equal(waiting[0]?.state, "running");
    waiting[1]?.fail();
    running[1]?.finish();
    await nextTurn();
    await nextTurn();
    assert.equal(waiting[2]?.state, "running", "one that has left is passed over");
  });

  it("give way to waiting ones, the oldest first, when their clients are slow", async () => {
    const all = new Handshakes<Handshake>();
    const running: Handshake[] = [];
    for (let at = 0; at < MAX_HANDSHAKES; at += 1) {
      running.push(new Handshake(all, at === 7 ? -5 : at));
      await nextTurn();
    }
    all.tick(1e9);
    assert.deepEqual(statesOf(running), { running: MAX_HANDSHAKES }, "nobody waits");
    const waiting = [new Handshake(all), new Handshake(all)];
    all.tick(HANDSHAKE_GRACE_MS - 6);
    assert.deepEqual(statesOf(running), { running: MAX_HANDSHAKES }, "none is late");
    all.tick(HANDSHAKE_GRACE_MS + 500);
    assert.equal(running[7]?.state, "failed");
    assert.equal(running[0]?.state, "failed");
    assert.equal(statesOf(running)["failed"], 2);
    await manyTurns();
    assert.deepEqual(statesOf(waiting), { running: 2 });
  });
});
