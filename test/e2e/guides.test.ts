// The pages of the documentation, done as a reader does them: each file and each command of a page, and what the
// page says that the commands print. Pages that need large packages are in npm run test:all (section guides).

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { LIGHT_PAGES, runBlocks, runGuide } from "../support/guide.ts";

describe("a page", { concurrency: 2 }, () => {
  for (const page of LIGHT_PAGES) test(`${page} does what it says`, (t) => runGuide(t, page));
});

// A page that says too much must fail, or the tests above would prove nothing.
describe("a page fails", { concurrency: 2 }, () => {
  const APP = [
    "`app.py`:",
    "```python",
    "def app(environ, start_response):",
    '    start_response("200 OK", [])',
    '    return [b"hello"]',
    "```",
    "```console",
    "$ typhon app:app --workers 1",
  ];
  const CASES: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      "whose command prints something else",
      [...APP, "$ curl -s http://127.0.0.1:8000/", "good bye", "```"],
      /not printed: good bye/,
    ],
    [
      "whose lines come in another order",
      ["```console", "$ printf 'one\\ntwo\\n'", "two", "one", "```"],
      /not printed: one/,
    ],
    ["whose command fails", ["```console", "$ ls nowhere", "```"], /ls nowhere/],
    ["whose package nobody has", ["```console", "$ pip install nothing", "```"], /nothing/],
    ["whose block is no kind of block", ["```python", "x = 1", "```"], /not run, and no mark/],
    [
      "that waits for a server which does not run",
      ["The server prints:", "```", "hello", "```"],
      /no server runs/,
    ],
  ];
  for (const [name, lines, pattern] of CASES)
    test(name, async (t) => {
      await assert.rejects(runBlocks(t, "page.md", `${lines.join("\n")}\n`, "test"), pattern);
    });
});
