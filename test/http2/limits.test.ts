// docs/limits.md says what the constants say.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as limits from "../../src/http2/limits.ts";

test("docs/limits.md names every limit of HTTP/2 with its value", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  const section = /\n## HTTP\/2 connections\n.*?\n## /s.exec(page)?.[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  for (const [name, value] of Object.entries<number>(limits)) {
    // Other rows may name a limit without its value.
    const isSaid = new RegExp(String.raw`\b${value}\b`);
    assert.ok(
      rows.some((row) => row.includes(`\`${name}\``) && isSaid.test(row)),
      name,
    );
  }
});
