// docs/limits.md says the limits of files as they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CHECKOUT } from "../../support/scratch.ts";

const FILES = [
  "src/handlers/static/file-cache.ts",
  "src/handlers/static/file-finder.ts",
  "src/handlers/static/listing.ts",
  "src/handlers/static/static-handler.ts",
  "src/http/ranges.ts",
  "src/net/file-sender.ts",
  "src/net/file-tree.ts",
];
/** Times that a file may be known, told in words; and what is no limit. */
const NO_LIMIT = new Set([
  "JOINED_GAP_BYTES",
  "O_PATH",
  "NO_FOLDER",
  "REFRESH_MS",
  "SHARED_SEARCH_MS",
  "VALID_MS",
]);

test("each limit of files is in docs/limits.md with its value", () => {
  const page = readFileSync(`${CHECKOUT}/docs/limits.md`, "utf8");
  const rows = /## Files\n([\s\S]*?)\n## /.exec(page)?.[1] ?? "";
  let found = 0;
  for (const file of FILES) {
    const source = readFileSync(`${CHECKOUT}/${file}`, "utf8");
    for (const [, name = "", value = ""] of source.matchAll(
      /^(?:export )?const ([A-Z_]+) = ([\d_]+);$/gm,
    )) {
      if (NO_LIMIT.has(name)) continue;
      found += 1;
      const row = rows.split("\n").find((line) => line.includes(`\`${name}\``)) ?? "";
      assert.match(
        row,
        new RegExp(`\\b${value.replaceAll("_", "")}\\b`),
        `${name} in docs/limits.md`,
      );
    }
  }
  assert(found >= 10, `only ${found} limits were found`);
});
