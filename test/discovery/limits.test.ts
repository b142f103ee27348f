// docs/limits.md names the limits of discovery with their numbers.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { MAX_ALL_BYTES, MAX_SOURCE_BYTES, MAX_SOURCES } from "../../src/discovery/source-files.ts";
import { MAX_LOOK_UPS, MAX_STEPS } from "../../src/discovery/verdicts.ts";
import { CHECKOUT } from "../support/scratch.ts";

test("docs/limits.md has the numbers of the constants", () => {
  const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  for (const cell of [
    `| \`MAX_SOURCE_BYTES\` | ${MAX_SOURCE_BYTES} bytes |`,
    `\`MAX_ALL_BYTES\`, ${MAX_ALL_BYTES} bytes`,
    `\`MAX_SOURCES\`, ${MAX_SOURCES} sources`,
    `\`MAX_STEPS\`, ${MAX_STEPS} from`,
    `\`MAX_LOOK_UPS\`, ${MAX_LOOK_UPS} in all`,
  ])
    assert(page.includes(cell), cell);
});
