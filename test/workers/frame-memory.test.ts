// Memory of large frames, used again for the next ones.

import assert from "node:assert/strict";
import { test } from "node:test";

import { giveRoomBack, takeRoom } from "../../src/workers/frame-memory.ts";

test("memory that was given back is what the next frame of that size gets", () => {
  for (const [bytes, smaller] of [
    [65_552, 20_000],
    [262_160, 65_553],
  ] as const) {
    const first = takeRoom(bytes);
    const { buffer } = first;
    giveRoomBack(first);
    const second = takeRoom(smaller);
    assert.equal(second.buffer, buffer);
    assert.deepEqual([second.length, second.byteOffset], [smaller, 0]);
    assert.notEqual(takeRoom(smaller).buffer, buffer, "nobody else gets it meanwhile");
  }
});

test("frames of one size do not get the memory of the other", () => {
  const large = takeRoom(262_160);
  const { buffer } = large;
  giveRoomBack(large);
  assert.notEqual(takeRoom(65_552).buffer, buffer);
});

test("what is larger than any room is freed at once", () => {
  const huge = takeRoom(1_000_000);
  giveRoomBack(huge);
  assert.equal(huge.length, 0);
});

test("small frames are left to the collector", () => {
  const small = takeRoom(100);
  small.fill(7);
  giveRoomBack(small);
  assert.equal(small.length, 100);
});

test("only so much is kept", () => {
  const frames = Array.from({ length: 100 }, () => takeRoom(65_552));
  const memories = new Set(frames.map(({ buffer }) => buffer));
  for (const frame of frames) giveRoomBack(frame);
  const again = Array.from({ length: 100 }, () => takeRoom(65_552));
  const kept = again.filter(({ buffer }) => memories.has(buffer)).length;
  assert.equal(kept, Math.ceil(4_194_304 / 65_552));
});
