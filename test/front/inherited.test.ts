// Which descriptors are passed to us; test/e2e/systemd.test.ts listens at real ones.

import assert from "node:assert/strict";
import { test } from "node:test";

import { inheritedDescriptors } from "../../src/front/inherited.ts";

for (const [why, environment, expected] of [
  ["nothing is said", {}, []],
  ["one for us", { LISTEN_FDS: "1", LISTEN_PID: "50" }, [3]],
  ["three for us", { LISTEN_FDS: "3", LISTEN_PID: "50" }, [3, 4, 5]],
  ["for another process", { LISTEN_FDS: "1", LISTEN_PID: "51" }, []],
  ["for nobody", { LISTEN_FDS: "1" }, []],
  ["none", { LISTEN_FDS: "0", LISTEN_PID: "50" }, []],
  ["no number", { LISTEN_FDS: "-1", LISTEN_PID: "50" }, []],
] as const) {
  test(`LISTEN_FDS: ${why}`, () =>
    assert.deepEqual(inheritedDescriptors(environment, 50), expected));
}

test("LISTEN_FDS: at most 64 sockets are used", () => {
  assert.equal(inheritedDescriptors({ LISTEN_FDS: "100000", LISTEN_PID: "50" }, 50).length, 64);
});
