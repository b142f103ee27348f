// What is counted is the memory that is held, in whatever pieces the bytes come.

import assert from "node:assert/strict";
import { test } from "node:test";

import { KeptBytes } from "../../src/net/kept-bytes.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";

class Counting extends MemoryBudget {
  used = 0;

  override take(bytes: number): void {
    this.used += bytes;
  }

  override give(bytes: number): void {
    this.used -= bytes;
  }
}

test("counts its one buffer, which is hardly larger than its bytes", () => {
  for (const size of [1, 7, 300, 5000, 30_000]) {
    const budget = new Counting(Infinity);
    const kept = new KeptBytes(budget);
    const piece = Buffer.alloc(size, "x");
    while (kept.length < 30_000) {
      kept.append(piece);
      assert.equal(budget.used, kept.memoryBytes);
      assert.equal(kept.bytes.buffer.byteLength, kept.memoryBytes);
      assert.ok(kept.memoryBytes <= Math.max(512, 1.25 * kept.length + 1));
    }
    assert.equal(kept.bytes.toString(), "x".repeat(kept.length));
    const { buffer } = kept.bytes;
    kept.release();
    assert.equal(budget.used, 0);
    assert.equal(kept.length, 0);
    assert.equal(buffer.byteLength, 0, "the memory is freed without the collector");
  }
});

test("keeps no memory of the read that its bytes came with", () => {
  const read = Buffer.allocUnsafeSlow(65_536);
  const kept = new KeptBytes(new Counting(Infinity));
  kept.append(read, 100, 101);
  assert.notEqual(kept.bytes.buffer, read.buffer);
  assert.equal(kept.bytes.length, 1);
});

test("keeps a rest without a copy, and appends to it", () => {
  const budget = new Counting(Infinity);
  const kept = new KeptBytes(budget);
  kept.append(Buffer.from("GET /1 GET /2 "));
  const rest = kept.bytes.subarray(7);
  assert.ok(kept.holds(rest));
  kept.narrow(rest);
  kept.append(Buffer.from("x".repeat(2000)));
  assert.equal(kept.bytes.toString(), `GET /2 ${"x".repeat(2000)}`);
  const { memoryBytes } = kept;
  assert.equal(budget.used, memoryBytes);
  assert.equal(kept.take().toString(), `GET /2 ${"x".repeat(2000)}`);
  assert.equal(budget.used, 0);
});
