// Which buffers the pool keeps, frees or leaves to the garbage collector.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bufferPool, detachBuffer } from "../../src/net/buffer-pool.ts";

test("a released buffer serves the next request of its size, or of half its size", () => {
  for (const [bytes, half] of [
    [65_552, 32_776],
    [262_160, 131_080],
  ] as const) {
    const first = bufferPool.acquire(bytes);
    const { buffer } = first;
    bufferPool.release(first);
    const second = bufferPool.acquire(half);
    assert.equal(second.buffer, buffer);
    assert.deepEqual([second.length, second.byteOffset], [half, 0]);
    assert.notEqual(bufferPool.acquire(half).buffer, buffer, "in use: it serves no other request");
  }
});

test("a kept buffer of one size does not serve requests of the other", () => {
  const large = bufferPool.acquire(262_160);
  const { buffer } = large;
  bufferPool.release(large);
  assert.notEqual(bufferPool.acquire(65_552).buffer, buffer);
});

test("a buffer larger than both kept sizes is freed on release", () => {
  const huge = bufferPool.acquire(1_000_000);
  bufferPool.release(huge);
  assert.equal(huge.length, 0);
});

test("a request gets no kept buffer of more than twice its size", () => {
  for (const bytes of [32_775, 65_553, 131_079])
    assert.equal(bufferPool.acquire(bytes).buffer.byteLength, bytes);
});

test("a small buffer is left to the garbage collector", () => {
  const small = bufferPool.acquire(100);
  small.fill(7);
  bufferPool.release(small);
  assert.equal(small.length, 100);
});

test("at most 16 MiB of a size are kept", () => {
  const frames = Array.from({ length: 300 }, () => bufferPool.acquire(65_552));
  const memories = new Set(frames.map(({ buffer }) => buffer));
  for (const frame of frames) bufferPool.release(frame);
  const again = Array.from({ length: 300 }, () => bufferPool.acquire(65_552));
  const kept = again.filter(({ buffer }) => memories.has(buffer)).length;
  assert.equal(kept, Math.ceil(16_777_216 / 65_552));
});

test("detachBuffer frees a buffer with memory of its own, and no memory that others share", () => {
  const own = Buffer.allocUnsafeSlow(10);
  detachBuffer(own);
  assert.equal(own.length, 0);
  const shared = Buffer.allocUnsafeSlow(10);
  detachBuffer(shared.subarray(1));
  assert.equal(shared.length, 10);
  const empty = Buffer.alloc(0);
  detachBuffer(empty);
  assert.equal(empty.buffer.detached, false);
});
