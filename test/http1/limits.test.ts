// docs/limits.md says what the constants say.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as limits from "../../src/http1/limits.ts";

test("docs/limits.md names every limit of the engine with its value", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  for (const [name, value] of Object.entries<number>(limits)) {
    const row = rows.find((line) => line.includes(`\`${name}\``));
    assert.ok(row !== undefined, name);
    assert.match(row, new RegExp(String.raw`\b${value}\b`), name);
  }
});
