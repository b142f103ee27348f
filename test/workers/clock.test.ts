// The front's clock against the kernel's, which workers read.

import assert from "node:assert/strict";
import { test } from "node:test";

import { monotonicMs } from "../../src/workers/clock.ts";

test("is CLOCK_MONOTONIC in milliseconds, between two looks at it", () => {
  const look = (): number => Number(process.hrtime.bigint()) / 1e6;
  for (let count = 0; count < 1000; count += 1) {
    const before = look();
    const now = monotonicMs();
    const after = look();
    // A look of the clock's own start takes some microseconds.
    assert.ok(before - 0.1 <= now && now <= after + 0.1, `${before} ${now} ${after}`);
  }
});
