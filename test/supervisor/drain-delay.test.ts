// How long --drain-delay waits, and which signal ends everything at once afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { waitOut } from "../../src/supervisor/drain-delay.ts";

test("waits for the delay; the next signal is then the second", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const early = Promise.withResolvers<string>();
  const waiting = waitOut(5000, early.promise);
  t.mock.timers.tick(4999);
  const still = await Promise.race([waiting, setImmediate("waits")]);
  assert.equal(still, "waits");
  t.mock.timers.tick(1);
  assert.equal(await waiting, "second");
});

test("a second signal ends the wait; the next signal is then the third", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const waiting = waitOut(86_400_000, promise);
  resolve("SIGTERM");
  assert.equal(await waiting, "third");
});
