// At most so many at once, the others in their order.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Slots } from "../../src/acme/slots.ts";

test("runs as many at once as there are slots, the others in the order of their calls", async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const all = gates.map((gate, at) =>
    slots.run(async () => {
      begun.push(at);
      await gate.promise;
      if (at === 1) throw new Error("a failure frees its slot, too");
      return at;
    }),
  );
  const settled = Promise.allSettled(all);
  assert.deepEqual(begun, [0, 1]);
  for (const [at, gate] of gates.entries()) {
    gate.resolve();
    await all[at]?.catch(() => {});
    assert.deepEqual(begun.length, Math.min(5, at + 3));
  }
  assert.deepEqual(begun, [0, 1, 2, 3, 4]);
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled"],
  );
});
