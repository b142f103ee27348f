// Messages on their way to a worker: whole, in order, never more than it has room for.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  ClientMessages,
  MESSAGE_COST_BYTES,
  MESSAGE_WINDOW_BYTES,
} from "../../../src/handlers/asgi/client-messages.ts";
import { BudgetShare } from "../../../src/net/budget-share.ts";
import { MESSAGE_SHARE } from "../../../src/websocket/connection.ts";
import { MemoryBudget } from "../../../src/net/memory-budget.ts";
import { FAIR_BYTES } from "../../../src/websocket/limits.ts";
import { FrameDecoder, FrameFault, FrameType } from "../../../src/workers/frame.ts";
import { WebSocketLink } from "../../../src/workers/web-socket-link.ts";
import { until } from "../../support/deadline.ts";

const LIMIT = 1_000_000_000;

/** A worker that joins the pieces. */
class Reader {
  /** "text hello", "closed 1000". */
  readonly heard: string[] = [];
  readonly messages: ClientMessages;
  readonly budget: MemoryBudget;
  /** Bytes and costs that came and were not granted. */
  outstanding = 0;
  #pieces: Buffer[] = [];

  constructor(unreadWaitMs = 10_000, budget = new MemoryBudget(LIMIT)) {
    this.budget = budget;
    const decoder = new FrameDecoder({
      onFrame: (type, id, isEnd, count, payload) => {
        assert.equal(id, 5);
        this.#take(type, isEnd, count, Buffer.from(payload));
      },
    });
    const link = new WebSocketLink(5, (frame) => decoder.push(frame));
    this.messages = new ClientMessages(link, new BudgetShare(budget, MESSAGE_SHARE), unreadWaitMs);
  }

  grant(bytes: number): void {
    this.outstanding -= bytes;
    this.messages.grant(bytes);
  }

  /** Whether all that was taken of the budget has been given back. */
  hasGivenAll(): boolean {
    this.budget.take(LIMIT - 1);
    const { hasRoom } = this.budget;
    this.budget.give(LIMIT - 1);
    return hasRoom;
  }

  #take(type: number, isEnd: boolean, count: number, payload: Buffer): void {
    if (type === FrameType.WS_CLOSED) {
      this.heard.push(`closed ${count}`);
      return;
    }
    assert.ok(this.outstanding < MESSAGE_WINDOW_BYTES);
    this.outstanding += payload.length + (isEnd ? MESSAGE_COST_BYTES : 0);
    assert.ok(this.outstanding <= MESSAGE_WINDOW_BYTES + MESSAGE_COST_BYTES);
    this.#pieces.push(payload);
    if (!isEnd) return;
    const name = type === FrameType.WS_TEXT_IN ? "text" : "binary";
    this.heard.push(`${name} ${Buffer.concat(this.#pieces).toString("latin1")}`);
    this.#pieces = [];
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("ClientMessages", () => {
  it("sends messages as they come, empty ones too", () => {
    const reader = new Reader();
    reader.messages.push(Buffer.from("a"), true);
    reader.messages.push(Buffer.alloc(0), false);
    reader.messages.push(Buffer.alloc(0), true);
    reader.messages.push(Buffer.from("b"), false);
    assert.deepEqual(reader.heard, ["text a", "binary ", "text ", "binary b"]);
    assert.equal(reader.outstanding, 2 + 4 * MESSAGE_COST_BYTES);
  });

  it("gives the memory of a large message back when all of it is sent", () => {
    const reader = new Reader();
    const sent = Buffer.alloc(100_000, "x");
    const waiting = Buffer.alloc(MESSAGE_WINDOW_BYTES, "y");
    reader.messages.push(sent, true);
    reader.messages.push(waiting, true);
    assert.deepEqual([sent.length, waiting.length], [0, MESSAGE_WINDOW_BYTES]);
    reader.grant(100_000 + MESSAGE_COST_BYTES);
    assert.equal(waiting.length, 0);
    assert.deepEqual(
      reader.heard.map((message) => message.length),
      ["text ".length + 100_000, "text ".length + MESSAGE_WINDOW_BYTES],
    );
  });

  it("is full when the window is, and has room again when it was read", () => {
    const reader = new Reader();
    const first = MESSAGE_WINDOW_BYTES - MESSAGE_COST_BYTES - 1;
    reader.messages.push(Buffer.alloc(first), true);
    assert.ok(!reader.messages.isFull);
    reader.messages.push(Buffer.alloc(2), true);
    assert.ok(reader.messages.isFull);
    assert.equal(reader.heard.length, 1);
    reader.grant(1000);
    assert.ok(!reader.messages.isFull);
    assert.equal(reader.heard.length, 2);
    reader.grant(reader.outstanding);
    assert.ok(reader.hasGivenAll());
  });

  it("is full of many empty messages, and a step of credit makes room", () => {
    const reader = new Reader();
    let count = 0;
    for (; !reader.messages.isFull; count += 1) reader.messages.push(Buffer.alloc(0), true);
    assert.equal(count, MESSAGE_WINDOW_BYTES / MESSAGE_COST_BYTES);
    reader.messages.push(Buffer.alloc(0), true);
    assert.equal(reader.heard.length, count);
    reader.grant(65_536);
    assert.equal(reader.heard.length, count + 1);
    assert.ok(!reader.messages.isFull);
    reader.grant(reader.outstanding);
    assert.throws(() => reader.messages.grant(1), FrameFault);
  });

  it("counts a message in the memory of all until the application has received all of it", () => {
    const budget = new MemoryBudget(MESSAGE_WINDOW_BYTES);
    const reader = new Reader(10_000, budget);
    reader.messages.push(Buffer.alloc(2 * MESSAGE_WINDOW_BYTES), true);
    // The application waits for the rest, so the worker grants what it has.
    while (reader.heard.length === 0) {
      assert.ok(!budget.hasRoom);
      reader.grant(reader.outstanding);
    }
    assert.ok(!budget.hasRoom);
    reader.grant(reader.outstanding);
    assert.ok(budget.hasRoom);
  });

  it("has a smaller window when the memory of all is used up, and a step of credit makes room", () => {
    const budget = new MemoryBudget(1);
    const reader = new Reader(10_000, budget);
    const other = new Reader(10_000, budget);
    other.messages.push(Buffer.of(120), true);
    reader.messages.push(Buffer.alloc(FAIR_BYTES - 1), true);
    assert.ok(reader.messages.isFull);
    assert.equal(reader.outstanding, FAIR_BYTES - 1 + MESSAGE_COST_BYTES);
    // Workers grant no less.
    reader.grant(65_536);
    assert.ok(!reader.messages.isFull);
    reader.messages.push(Buffer.alloc(FAIR_BYTES), true);
    assert.ok(reader.messages.isFull);
    other.grant(other.outstanding);
    reader.messages.stop();
    assert.ok(budget.hasRoom);
  });

  it("refuses credit for what was not sent", () => {
    const reader = new Reader();
    reader.messages.push(Buffer.from("abc"), true);
    assert.throws(() => reader.messages.grant(4 + MESSAGE_COST_BYTES), FrameFault);
  });

  it("tells the end behind everything, and drops what nobody reads", async () => {
    const reader = new Reader(300);
    reader.messages.push(Buffer.alloc(MESSAGE_WINDOW_BYTES), true);
    reader.messages.push(Buffer.from("unread"), true);
    reader.messages.end(1000, "", false);
    await turn();
    assert.equal(reader.heard.length, 1);
    await until("the end", () => reader.heard.length === 2);
    assert.equal(reader.heard[1], "closed 1000");
    // What the worker has is held until the job ends.
    assert.ok(!reader.hasGivenAll());
    reader.messages.stop();
    assert.ok(reader.hasGivenAll());
  });

  it("says nothing more when the job has ended", async () => {
    const reader = new Reader(5);
    reader.messages.push(Buffer.alloc(2 * MESSAGE_WINDOW_BYTES), true);
    reader.messages.end(1000, "", false);
    reader.messages.stop();
    await turn();
    assert.deepEqual(reader.heard, []);
    assert.ok(reader.hasGivenAll());
  });

  it("keeps messages whole and in order, whatever their sizes and however they are read (property)", async () => {
    const size = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 600_000 }),
    );
    const step = fc.record({
      size,
      isText: fc.boolean(),
      read: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const reader = new Reader();
        const expected = steps.map(({ isText, size: length }, index) => {
          const text = String.fromCharCode(97 + index).repeat(length);
          return `${isText ? "text" : "binary"} ${text}`;
        });
        for (const [index, { isText, read }] of steps.entries()) {
          const message = expected[index] ?? "";
          reader.messages.push(Buffer.from(message.slice(message.indexOf(" ") + 1)), isText);
          await turn();
          reader.grant(Math.floor(reader.outstanding * read));
        }
        reader.messages.end(1005, "", false);
        for (await turn(); reader.outstanding > 0; await turn()) reader.grant(reader.outstanding);
        assert.deepEqual(reader.heard, [...expected, "closed 1005"]);
        assert.ok(reader.hasGivenAll());
      }),
      { numRuns: 40 },
    );
  });
});
