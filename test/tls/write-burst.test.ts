// When the output of a connection goes in small pieces. The time is an argument.

import assert from "node:assert/strict";
import { it } from "node:test";

import { LONG_BURST_BYTES, WriteBurst } from "../../src/tls/write-burst.ts";

it("writes small pieces until much has been sent without a rest", () => {
  const burst = new WriteBurst();
  const bytes = LONG_BURST_BYTES / 4;
  assert.deepEqual(
    [0, 50, 100, 150, 200, 250, 351, 352].map((now) => burst.isShort(bytes, now)),
    [true, true, true, false, false, false, true, true],
  );
});
