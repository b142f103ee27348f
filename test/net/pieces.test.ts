// Waiting bytes: their order, and how much memory they take however small the pieces are.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Pieces, SMALL_PIECE_BYTES } from "../../src/net/pieces.ts";

/** Memory behind buffers, each counted once. */
function memoryOf(buffers: readonly Buffer[]): number {
  const memories = new Set(buffers.map(({ buffer }) => buffer));
  return [...memories].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

describe("Pieces", () => {
  it("joins pieces of one byte into few blocks, of at most twice their bytes", () => {
    for (const count of [1, 2, 3, 100, 5000, 100_000]) {
      const pieces = new Pieces();
      for (let at = 0; at < count; at += 1) pieces.push(Buffer.from([at & 255]));
      assert.equal(pieces.bytes, count);
      const all = pieces.takeAll();
      assert.equal(pieces.bytes, 0);
      assert.ok(memoryOf(all) <= 2 * count, `${memoryOf(all)} bytes of memory for ${count}`);
      assert.ok(all.length <= 16 + count / 16_384, `${all.length} buffers for ${count} bytes`);
      const joined = Buffer.concat(all);
      assert.ok(joined.every((byte, at) => byte === (at & 255)));
    }
  });

  it("keeps no memory that small pieces share with others", () => {
    const pieces = new Pieces();
    const kept: Buffer[] = [];
    for (let at = 0; at < 200; at += 1) {
      pieces.copy(Buffer.from("x"));
      pieces.copy(Buffer.alloc(SMALL_PIECE_BYTES, "y"));
      kept.push(Buffer.from("of another client"));
    }
    const all = pieces.takeAll();
    assert.equal(memoryOf(all), 200 * (1 + SMALL_PIECE_BYTES));
    assert.equal(kept.length, 200);
  });

  it("takes a large piece over, and copies one that is valid during the call only", () => {
    const pieces = new Pieces();
    const large = Buffer.alloc(SMALL_PIECE_BYTES, "a");
    pieces.push(large);
    pieces.copy(large);
    large.fill("b");
    assert.equal(pieces.shift(), large);
    assert.equal(pieces.takeJoined().toString(), "a".repeat(SMALL_PIECE_BYTES));
  });

  it("keeps the order whatever is pushed and taken in between", () => {
    const pieces = new Pieces();
    let pushed = 0;
    let taken = 0;
    let state = 12_345;
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      return state % below;
    };
    const check = (piece: Buffer): void => {
      for (const byte of piece) assert.equal(byte, taken++ & 255);
      // The taker may do with its piece what it likes.
      piece.fill(0);
    };
    for (let step = 0; step < 3000; step += 1) {
      const length = random(10) === 0 ? SMALL_PIECE_BYTES + random(3000) : random(300);
      const piece = Buffer.from(Array.from({ length }, () => pushed++ & 255));
      if (random(2) === 0) pieces.push(piece);
      else pieces.copy(piece);
      assert.equal(pieces.bytes, pushed - taken);
      if (random(3) > 0) continue;
      const { firstBytes } = pieces;
      const first = pieces.shift();
      assert.equal(first?.length ?? 0, firstBytes);
      if (first !== undefined) check(first);
    }
    for (const piece of pieces.takeAll()) check(piece);
    assert.equal(taken, pushed);
    assert.equal(pieces.shift(), undefined);
  });
});
