// Where frames end in a stream of bytes that comes in any pieces.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { FrameBoundaries } from "../../src/websocket/frame-boundaries.ts";
import { binary, close, more, ping, text } from "./frames.ts";

/** Reads in pieces that end at `cuts`; returns how many bytes were read. */
function readCut(boundaries: FrameBoundaries, bytes: Buffer, cuts: readonly number[]): number {
  const ends = [...new Set(cuts)].toSorted((a, b) => a - b);
  let at = 0;
  let read = 0;
  for (const end of [...ends, bytes.length]) {
    read += boundaries.read(bytes.subarray(at, end));
    at = end;
  }
  return read;
}

const FRAMES = [
  text(""),
  text("a", { mask: false }),
  binary(Buffer.alloc(125)),
  binary(Buffer.alloc(126), { mask: false }),
  binary(Buffer.alloc(65_535), { fin: false }),
  ping("x"),
  more(Buffer.alloc(65_536), { mask: false }),
  // A close frame inside a payload is none.
  binary(close(1000)),
];

for (const [index, frame] of FRAMES.entries())
  test(`knows the end of frame ${index} of ${frame.length} bytes, and no byte before it`, () => {
    for (const last of [1, 2, 3, 9, frame.length - 1]) {
      if (last >= frame.length) continue;
      const boundaries = new FrameBoundaries();
      assert.equal(boundaries.read(frame.subarray(0, last)), last);
      assert.equal(boundaries.isAtBoundary, false);
      assert.equal(boundaries.read(frame.subarray(last)), frame.length - last);
      assert.equal(boundaries.isAtBoundary, true);
      assert.equal(boundaries.hasClosed, false);
    }
  });

test("stops behind the close frame, however the bytes are cut", () => {
  const before = Buffer.concat([...FRAMES, close(4321, "reason")]);
  const bytes = Buffer.concat([before, text("behind")]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const boundaries = new FrameBoundaries();
      assert.equal(readCut(boundaries, bytes, cuts), before.length);
      assert.equal(boundaries.hasClosed, true);
      assert.equal(boundaries.isAtBoundary, true);
      assert.equal(boundaries.closeCode, 4321);
    }),
  );
});

test("reads a code byte by byte, masked or not, and knows when there is none", () => {
  for (const mask of [true, false])
    for (const [frame, code] of [
      [close(3999, "x".repeat(100), { mask }), 3999],
      [close(1000, "", { mask }), 1000],
      [close(undefined, "", { mask }), 1005],
    ] as const) {
      const boundaries = new FrameBoundaries();
      for (const byte of frame) assert.equal(boundaries.read(Buffer.of(byte)), 1);
      assert.equal(boundaries.hasClosed, true);
      assert.equal(boundaries.closeCode, code);
    }
});

test("stops at the next boundary when asked to", () => {
  const [one, two] = [text("one"), text("two")];
  const both = Buffer.concat([one, two]);
  const boundaries = new FrameBoundaries();
  assert.equal(boundaries.read(both.subarray(0, 3), true), 3);
  assert.equal(boundaries.read(both.subarray(3), true), one.length - 3);
  assert.equal(boundaries.read(two, true), two.length);
});

test("a length beyond all numbers never ends", () => {
  const frame = binary("", { lengthBytes: 8, mask: false });
  frame.writeBigUInt64BE(2n ** 64n - 1n, 2);
  const boundaries = new FrameBoundaries();
  boundaries.read(Buffer.concat([frame, Buffer.alloc(100_000)]));
  assert.equal(boundaries.isAtBoundary, false);
});
