// Memory of large frames, used again for the next ones.

import assert from "node:assert/strict";
import { test } from "node:test";

import { releaseBuffer, acquireBuffer } from "../../src/net/buffer-pool.ts";

test("memory that was given back is what the next frame of that size gets", () => {
  for (const [bytes, smaller] of [
    [65_552, 32_776],
    [262_160, 131_080],
  ] as const) {
    const first = acquireBuffer(bytes);
    const { buffer } = first;
    releaseBuffer(first);
    const second = acquireBuffer(smaller);
    assert.equal(second.buffer, buffer);
    assert.deepEqual([second.length, second.byteOffset], [smaller, 0]);
    assert.notEqual(acquireBuffer(smaller).buffer, buffer, "nobody else gets it meanwhile");
  }
});

test("frames of one size do not get the memory of the other", () => {
  const large = acquireBuffer(262_160);
  const { buffer } = large;
  releaseBuffer(large);
  assert.notEqual(acquireBuffer(65_552).buffer, buffer);
});

test("what is larger than any room is freed at once", () => {
  const huge = acquireBuffer(1_000_000);
  releaseBuffer(huge);
  assert.equal(huge.length, 0);
});

test("nothing gets more than twice the memory that it asks for", () => {
  for (const bytes of [32_775, 65_553, 131_079])
    assert.equal(acquireBuffer(bytes).buffer.byteLength, bytes);
});

test("small frames are left to the collector", () => {
  const small = acquireBuffer(100);
  small.fill(7);
  releaseBuffer(small);
  assert.equal(small.length, 100);
});

test("only so much is kept", () => {
  const frames = Array.from({ length: 300 }, () => acquireBuffer(65_552));
  const memories = new Set(frames.map(({ buffer }) => buffer));
  for (const frame of frames) releaseBuffer(frame);
  const again = Array.from({ length: 300 }, () => acquireBuffer(65_552));
  const kept = again.filter(({ buffer }) => memories.has(buffer)).length;
  assert.equal(kept, Math.ceil(16_777_216 / 65_552));
});
