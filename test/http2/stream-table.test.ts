// The open streams of a connection: a table that is as good as a Map.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { StreamTable } from "../../src/http2/stream-table.ts";

test("finds, adds and removes as a Map does", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 100 }), (steps) => {
      const table = new StreamTable<{ readonly id: number }>();
      const map = new Map<number, { readonly id: number }>();
      let last = 0;
      for (const step of steps) {
        const known = map.get(step);
        if (known !== undefined) {
          table.remove(known);
          map.delete(step);
        } else if (step > last) {
          const stream = { id: step };
          table.add(stream);
          map.set(step, stream);
          last = step;
        }
        assert.equal(table.size, map.size);
        for (let id = 0; id <= 31; id += 1) assert.equal(table.find(id), map.get(id) ?? null);
      }
      assert.deepEqual(table.copy(), [...map.values()]);
      table.remove({ id: 5 });
      assert.equal(table.size, map.size);
    }),
  );
});
