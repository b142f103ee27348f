// Payloads come out of their mask as they were, however long, wherever in memory, and in whatever pieces.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { Mask } from "../../src/websocket/mask.ts";

const KEY = Buffer.of(0x01, 0x82, 0x43, 0xf4);

/** Byte by byte, as RFC 6455 §5.3 has it. */
function masked(payload: Buffer): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ (KEY[index % 4] ?? 0)));
}

function makePayload(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 37 + 11) & 255));
}

test("every length, every beginning of the key, and every place in memory give the same bytes", () => {
  for (const longer of [0, 128, 1024])
    for (let extra = 0; extra <= 70; extra += 1) {
      const payload = makePayload(longer + extra + 3);
      const bytes = masked(payload);
      for (const first of [0, 1, 2, 3])
        for (const start of [0, 1, 2, 3]) {
          const mask = new Mask();
          mask.begin(Buffer.concat([Buffer.of(9, 9), KEY]), 6);
          const target = Buffer.alloc(start + payload.length + 2, 0xee);
          mask.copy(bytes, 0, first, target, start);
          mask.copy(bytes, first, bytes.length, target, start + first);
          assert.ok(target.subarray(start, -2).equals(payload));
          assert.ok(
            [...target.subarray(0, start), ...target.subarray(-2)].every((b) => b === 0xee),
          );
        }
    }
});

test("a payload in any pieces is the payload (property)", () => {
  const sizes = fc.array(fc.oneof(fc.nat(10), fc.nat(700)), { maxLength: 12 });
  fc.assert(
    fc.property(sizes, fc.nat(9), (pieces, before) => {
      const payload = makePayload(pieces.reduce((sum, size) => sum + size, 0));
      const bytes = Buffer.concat([Buffer.alloc(before), masked(payload)]);
      const target = Buffer.alloc(payload.length);
      const mask = new Mask();
      mask.begin(KEY, 4);
      let at = 0;
      for (const size of pieces) {
        mask.copy(bytes, before + at, before + at + size, target, at);
        at += size;
      }
      assert.ok(target.equals(payload));
    }),
  );
});
