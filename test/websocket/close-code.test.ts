// Which codes may be sent, and reasons that fit.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { fittingReason, maySend } from "../../src/websocket/close-code.ts";

test("codes that RFC 6455 §7.4 and its registry let be sent may be sent, no others", () => {
  const may = Array.from({ length: 65_536 }, (_, code) => code).filter(maySend);
  const assigned = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  assert.deepEqual(may.slice(0, 12), assigned);
  assert.equal(may.length, 12 + 2000);
  assert.deepEqual([may[12], may.at(-1)], [3000, 4999]);
});

test("a reason fits, is whole characters, and is the beginning of what was given (property)", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (reason) => {
      const given = Buffer.from(reason).toString();
      const fitting = fittingReason(given);
      assert.ok(Buffer.byteLength(fitting) <= 123);
      assert.ok(given.startsWith(fitting));
      if (fitting !== given) assert.ok(Buffer.byteLength(fitting) > 119);
    }),
  );
});
