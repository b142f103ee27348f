// The versions of Node that the Python package knows are those of src/tls/node-version.ts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { renderNodeFloors } from "../../tools/render-node-floors.ts";
import { CHECKOUT } from "../support/scratch.ts";

test("python/typhon_server/node_floors.py is rendered from the versions", () => {
  const text = readFileSync(join(CHECKOUT, "python/typhon_server/node_floors.py"), "utf8");
  assert.equal(text, renderNodeFloors(), "run: node tools/render-node-floors.ts");
});
