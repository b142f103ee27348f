// The pages of the documentation, done as a reader does them: each file and each command of a page, and what the
// page says that the commands print. Pages that need large packages are in npm run test:all (section guides).

import { describe, test } from "node:test";

import { LIGHT_PAGES, runGuide } from "../support/guide.ts";

describe("a page", { concurrency: 2 }, () => {
  for (const page of LIGHT_PAGES) test(`${page} does what it says`, (t) => runGuide(t, page));
});
