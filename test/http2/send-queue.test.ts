// Bytes of a stream that wait.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { HpackOutput } from "../../src/http2/hpack-output.ts";
import { SendQueue } from "../../src/http2/send-queue.ts";

test("bytes leave in the order in which they came, in any pieces", () => {
  const sizes = fc.array(fc.oneof(fc.nat(100), fc.nat(40_000)), { maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.array(fc.nat(20_000), { maxLength: 20 }), (pieces, moves) => {
      const queue = new SendQueue(true);
      const output = new HpackOutput();
      const all = Buffer.concat(pieces.map((size, index) => Buffer.alloc(size, index + 1)));
      for (const [index, size] of pieces.entries()) {
        const bytes = Buffer.alloc(size, index + 1);
        if (index % 2 === 0) queue.push(bytes);
        else queue.copy(bytes);
      }
      for (const move of [...moves, all.length]) {
        const count = Math.min(move, queue.bytes);
        output.reserve(count);
        queue.move(count, output);
      }
      assert.ok(all.equals(output.bytes.subarray(0, output.length)));
      assert.deepEqual([queue.bytes, queue.memoryBytes], [0, 0]);
    }),
    { numRuns: 100 },
  );
});

test("frees large pieces of its own, and leaves those of others alone", () => {
  for (const isOwner of [true, false]) {
    const queue = new SendQueue(isOwner);
    const piece = Buffer.from(new ArrayBuffer(40_000));
    queue.push(piece);
    const output = new HpackOutput();
    output.reserve(40_000);
    queue.move(39_999, output);
    assert.equal(piece.length, 40_000);
    queue.move(1, output);
    assert.equal(piece.length, isOwner ? 0 : 40_000);
  }
});
