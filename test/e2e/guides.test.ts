// The pages of the documentation, done as a reader does them: each file and each command of a page, and what the
// page says that the commands print. Pages that need large packages are in npm run test:all (section guides).

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { environmentOf, kindOf, readBlocks, runGuide } from "../support/guide.ts";
import { CHECKOUT } from "../support/scratch.ts";

const PAGES = ["README.md", "docs/**/*.md"].flatMap((pattern) =>
  globSync(pattern, { cwd: CHECKOUT }),
);

describe("a page", { concurrency: 2 }, () => {
  for (const page of PAGES) {
    const markdown = readFileSync(join(CHECKOUT, page), "utf8");
    if (environmentOf(markdown) !== join(CHECKOUT, ".venv-test")) continue;
    if (!readBlocks(markdown).some((block) => kindOf(block) === "session")) continue;
    test(`${page} does what it says`, (t) => runGuide(t, page));
  }
});
