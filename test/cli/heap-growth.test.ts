// V8 complains on standard error about a flag that it does not know, and goes on.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const MODULE = new URL("../../src/cli/heap-growth.ts", import.meta.url).href;

test("this Node's V8 knows the flag that delays collections", () => {
  const script = `(await import(${JSON.stringify(MODULE)})).delayCollections();`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { encoding: "utf8" },
  );
  assert.deepEqual([status, stderr], [0, ""]);
});
