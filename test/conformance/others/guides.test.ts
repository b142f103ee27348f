// The pages of the documentation that need large packages (tools/setup-venv.sh guides), done as a reader does them.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";

import { HEAVY_PAGES, runGuide } from "../../support/guide.ts";

assert.ok(existsSync(".venv-guides"), "run: sh tools/setup-venv.sh guides");

describe("a page", { concurrency: 2 }, () => {
  for (const page of HEAVY_PAGES) test(`${page} does what it says`, (t) => runGuide(t, page));
});
