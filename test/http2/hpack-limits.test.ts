// docs/limits.md names the limits of field compression with the numbers of the source.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";

test("docs/limits.md has each limit of HPACK, with its number", () => {
  const folder = join(CHECKOUT, "src/http2");
  const source = readdirSync(folder)
    .filter((name) => name.startsWith("hpack-"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");
  const text = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  const [, section = ""] = text.split("## HTTP/2 field compression (HPACK)\n");
  const rows = section.split("\n## ", 1).join("").split("\n");
  const limits = [...source.matchAll(/const (MAX_\w+|DEFAULT_TABLE_BYTES) = ([\d_]+);/g)];
  assert(limits.length >= 8);
  for (const [, name = "", digits = ""] of limits) {
    // The code itself sets how long padding may be.
    if (name === "MAX_PADDING_BITS") continue;
    const number = new RegExp(String.raw`\b${digits.replaceAll("_", "")}\b`);
    assert(
      rows.some((row) => row.includes(`\`${name}\``) && number.test(row)),
      `${name} = ${digits}`,
    );
  }
});
