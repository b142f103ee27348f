// What is said of the Node that runs Typhon.

import assert from "node:assert/strict";
import { test } from "node:test";

import { checkNode } from "../../src/doctor/node.ts";

for (const [version, level, remedy] of [
  ["24.22.3", "ok", /^$/],
  ["26.13.1", "ok", /^$/],
  ["24.19.0", "warn", /^update Node to 24\.22\.3 or 26\.13\.1 or later$/],
  ["25.9.0", "warn", /^update Node/],
  ["27.0.0", "note", /^$/],
] as const) {
  test(`Node ${version}`, () => {
    const found = checkNode(version, "/node");
    assert.equal(found.level, level);
    assert.match(found.remedy, remedy);
  });
}
