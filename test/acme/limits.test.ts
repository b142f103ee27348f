// docs/limits.md says the limits of the ACME client as they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";

const FILES = [
  "acme-error",
  "authority-request",
  "directory",
  "issued",
  "json",
  "order",
  "renewal-info",
  "retry-after",
  "session",
];

test("each limit of the ACME client is in docs/limits.md with its value", () => {
  const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  let found = 0;
  for (const file of FILES) {
    const source = readFileSync(join(CHECKOUT, `src/acme/${file}.ts`), "utf8");
    for (const [, name = "", value = ""] of source.matchAll(
      /^(?:export )?const ([A-Z_]+) = ([\d_]+);$/gm,
    )) {
      found += 1;
      const number = new RegExp(`\\b${value.replaceAll("_", "")}\\b`);
      assert(
        rows.some((row) => row.includes(`\`${name}\``) && number.test(row)),
        `${name} (${file}) in docs/limits.md`,
      );
    }
  }
  assert(found >= 20, `only ${found} limits were found`);
});
