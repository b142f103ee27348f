// The rule for the pages of the documentation: each fenced block is run by a test (test/e2e/guides.test.ts, or
// npm run test:all -- guides), or says above it why it is not.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  isServer,
  kindOf,
  LIGHT_PAGES,
  HEAVY_PAGES,
  PAGES,
  readBlocks,
  readPage,
  readSteps,
  whyNotRun,
} from "./support/guide.ts";

const BLOCKS = PAGES.flatMap((page) =>
  readBlocks(readPage(page)).map((block) => ({ page, ...block, kind: kindOf(block) })),
);

test("each block of a page is run, or says why it is not", (t) => {
  const silent = BLOCKS.filter(({ kind }) => kind === null);
  assert.deepEqual(
    silent.map(({ page, line }) => `${page}:${line}`),
    [],
  );
  let run = 0;
  for (const block of BLOCKS) {
    const why = whyNotRun(block);
    if (why === null) run += 1;
    else t.diagnostic(`not run: ${block.page}:${block.line}: ${why}`);
  }
  t.diagnostic(`${run} of ${BLOCKS.length} blocks are run`);
});

test("code stands between fences: no block escapes by four spaces", () => {
  const found = PAGES.flatMap((page) =>
    indentedCode(readPage(page)).map((line) => `${page}:${line}`),
  );
  assert.deepEqual(found, []);
  assert.deepEqual(indentedCode("Run:\n\n    typhon app:app\n"), [3]);
  assert.deepEqual(indentedCode("- a\n\n    more of a\n\n1. b\n    c\n"), []);
  assert.deepEqual(indentedCode("```\nx:\n\n    y\n```\n"), []);
});

test("a file or a server's output stands only on a page that runs something", () => {
  const run = new Set([...LIGHT_PAGES, ...HEAVY_PAGES]);
  for (const { page, line, kind } of BLOCKS)
    if (kind === "file" || kind === "output") assert.ok(run.has(page), `${page}:${line}`);
});

test("a block is a file, a session, a server's output, or not run", () => {
  const page = [
    "In `app.py`:",
    "",
    "```python",
    "x = 1",
    "```",
    "Add (at the end of `shop/app.py`):",
    "```python",
    "```",
    "See `app.py`:",
    "```console",
    "$ typhon app:app",
    "```",
    "  The server at port 9000 prints:",
    "  ```",
    "  hello",
    "  ```",
    "<!-- not run: it needs root -->",
    "",
    "```",
    "apt-get install typhon",
    "```",
    "As `app.py` says:",
    "```",
    "typhon app:app",
    "```",
  ].join("\n");
  const blocks = readBlocks(page);
  assert.deepEqual(blocks.map(kindOf), ["file", "file", "session", "output", "not run", null]);
  assert.deepEqual(
    blocks.map(({ line }) => line),
    [3, 7, 10, 14, 19, 23],
  );
  assert.equal(blocks[3]?.text, "hello\n");
  assert.throws(() => readBlocks("```python\nx = 1\n"), /does not end/);
});

test("a session is commands, each with what it prints; a backslash joins lines", () => {
  assert.deepEqual(readSteps("$ typhon app:app \\\n    --workers 2\nTyphon serves\n\n$ curl x\n"), [
    { command: "typhon app:app --workers 2", expected: ["Typhon serves"] },
    { command: "curl x", expected: [] },
  ]);
});

test("a server is a command of Typhon that does not end by itself", () => {
  const servers = ["typhon", "typhon app:app", "A=1 typhon dev", "ddtrace-run typhon app:app"];
  const others = [
    "typhon check",
    "typhon --help",
    "curl typhon",
    "A=1 typhon doctor",
    "python x.py",
  ];
  assert.deepEqual([...servers, ...others].filter(isServer), servers);
});

/** Numbers of lines at which Markdown sees code by its indentation: below a line that is no list. */
function indentedCode(markdown: string): number[] {
  const plain = markdown.replaceAll(/^( *)```.*?^\1```$/gms, (block) =>
    block.replaceAll(/.+/g, "x"),
  );
  const lines = plain.split("\n");
  return lines.flatMap((line, at) => {
    const above = lines.slice(0, at).findLast((other) => other.trim() !== "") ?? "";
    const isCode =
      /^ {4}\S/.test(line) && lines[at - 1] === "" && !/^(?:\s|[-*] |\d+\. )/.test(above);
    return isCode ? [at + 1] : [];
  });
}
