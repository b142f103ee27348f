// What a slow client has not taken: how much memory is counted for it, and in how many pieces it waits.

import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { Output } from "../../src/http1/output.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";

type Done = (error?: Error | null) => void;

/** The kernel takes a write when the test says so. */
class SlowSocket extends Socket {
  readonly pieces: Buffer[] = [];
  #done: Done | null = null;

  constructor() {
    super({ writable: true });
    this.on("error", () => undefined);
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: Done): void {
    this.pieces.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk));
    this.#done = done;
  }

  override _writev(
    chunks: { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: Done,
  ): void {
    for (const { chunk, encoding } of chunks) this._write(chunk, encoding, done);
  }

  get isWriting(): boolean {
    return this.#done !== null;
  }

  async finishWrite(): Promise<void> {
    const done = this.#done;
    this.#done = null;
    done?.();
    await turn();
  }
}

function make(): { socket: SlowSocket; output: Output; budget: MemoryBudget } {
  const socket = new SlowSocket();
  const budget = new MemoryBudget(1);
  const output = new Output(socket, budget);
  socket.on("drain", () => output.drain());
  return { socket, output, budget };
}

test("a buffer counts as a whole until its last byte is taken", async () => {
  const { socket, output, budget } = make();
  const body = 1_000_000;
  output.send("head", Buffer.alloc(body));
  while (socket.isWriting) {
    assert.ok(output.memoryBytes >= body, `${output.memoryBytes} bytes`);
    await socket.finishWrite();
  }
  assert.equal(Buffer.concat(socket.pieces).length, body + 4);
  output.isStalled(1);
  assert.equal(output.memoryBytes, 0);
  assert.ok(budget.hasRoom);
});

test("less than a full socket is counted as well, and given back with the socket", () => {
  const { output, budget } = make();
  output.send("x".repeat(1000));
  assert.equal(output.memoryBytes, 1000);
  assert.equal(output.waitsSince, Infinity);
  output.isStalled(7);
  assert.equal(output.waitsSince, 7);
  output.isStalled(8);
  assert.equal(output.waitsSince, 7);
  assert.ok(budget.isOver);
  output.release();
  assert.ok(budget.hasRoom);
});

test("small chunks to a client that does not read are joined, and lose nothing", async () => {
  const { socket, output } = make();
  output.send("x".repeat(65_536));
  assert.ok(output.isFull);
  for (let count = 0; count < 5000; count += 1) {
    output.append("", Buffer.from(`${count},`), "");
    await Promise.resolve();
  }
  assert.ok(output.memoryBytes > 65_536);
  while (socket.isWriting) await socket.finishWrite();
  const expected = Array.from({ length: 5000 }, (_, count) => `${count},`).join("");
  assert.equal(Buffer.concat(socket.pieces).toString().slice(65_536), expected);
  // One object for each chunk would take ten times the memory of its bytes.
  assert.ok(socket.pieces.length < 10, `${socket.pieces.length} writes`);
  assert.ok(output.isEmpty);
});
