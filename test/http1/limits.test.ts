// docs/limits.md says what the constants say.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as own from "../../src/http1/limits.ts";
import * as shared from "../../src/net/connection-limits.ts";

const limits = { ...shared, ...own };

test("docs/limits.md names every limit of a connection with its value", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  for (const [name, value] of Object.entries<number>(limits)) {
    // Other rows may name a limit without its value.
    const isSaid = new RegExp(String.raw`\b${value}\b`);
    assert.ok(
      rows.some((row) => row.includes(`\`${name}\``) && isSaid.test(row)),
      name,
    );
  }
});
