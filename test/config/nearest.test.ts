// Suggestions for mistyped words.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { nearestWord, slipsBetween } from "../../src/config/nearest.ts";

describe("slipsBetween", () => {
  for (const [from, to, slips] of [
    ["port", "port", 0],
    ["prot", "port", 1],
    ["por", "port", 1],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
  ] as const)
    test(`${from} → ${to}: ${slips}`, () => {
      assert.equal(slipsBetween(from, to), slips);
      assert.equal(slipsBetween(to, from), slips);
    });
});

describe("nearestWord", () => {
  const words = ["--port", "--host", "--timeout", "--queue-timeout"];
  test("finds a swap, a loss and a beginning", () => {
    assert.equal(nearestWord("--prot", words), "--port");
    assert.equal(nearestWord("--hst", words), "--host");
    assert.equal(nearestWord("--queue", words), "--queue-timeout");
  });
  test("finds nothing where nothing is near", () => {
    assert.equal(nearestWord("--certificate", words), null);
    assert.equal(nearestWord("-x", words), null);
  });
});
