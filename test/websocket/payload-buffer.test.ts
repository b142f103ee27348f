// Memory of a message that comes: what was announced is not believed, what came is kept.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Mask } from "../../src/websocket/mask.ts";
import { PayloadBuffer } from "../../src/websocket/payload-buffer.ts";

const MIB = 1_048_576;

interface Filling {
  readonly memory: PayloadBuffer;
  readonly add: (bytes: Buffer) => void;
}

function memoryOf(maxBytes = 16 * MIB): Filling {
  const memory = new PayloadBuffer(maxBytes);
  const mask = new Mask();
  mask.begin(Buffer.alloc(4), 4);
  return { memory, add: (bytes) => memory.append(bytes, 0, bytes.length, mask) };
}

test("a frame that says that it is long takes no more than four times what has come", () => {
  const { memory, add } = memoryOf();
  memory.expect(16 * MIB, true);
  add(Buffer.alloc(70_000));
  add(Buffer.alloc(1));
  const bytes = memory.take();
  assert.equal(bytes.length, 70_001);
  assert.ok(bytes.buffer.byteLength <= 4 * 70_001);
});

test("a frame that is not long has memory for all of it at once, and not twice as much", () => {
  for (const length of [40_000, 65_536]) {
    const { memory, add } = memoryOf();
    memory.expect(length, true);
    add(Buffer.alloc(100));
    add(Buffer.alloc(length - 100));
    const { byteLength } = memory.take().buffer;
    assert.ok(byteLength >= length && byteLength <= 2 * length, `${byteLength} for ${length}`);
  }
});

test("what came in many pieces is whole, and the next begins with nothing", () => {
  const { memory, add } = memoryOf();
  const piece = Buffer.from("0123456789");
  for (let count = 0; count < 50_000; count += 1) {
    memory.expect(piece.length, false);
    add(piece);
  }
  assert.ok(memory.take().equals(Buffer.alloc(500_000, piece)));
  assert.equal(memory.take().length, 0);
});

test("it never grows beyond the largest message", () => {
  const { memory, add } = memoryOf(100_000);
  memory.expect(99_999, false);
  add(Buffer.alloc(66_000));
  add(Buffer.alloc(33_999));
  memory.expect(1, true);
  add(Buffer.alloc(1));
  const bytes = memory.take();
  assert.equal(bytes.length, 100_000);
  assert.equal(bytes.buffer.byteLength, 100_000);
});
