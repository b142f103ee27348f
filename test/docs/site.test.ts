// The built documentation site (npm run docs): it needs no other host, has its search, and its Markdown has become
// HTML. That each link and each page of a menu is there, the strict build has found.

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";

const SITE = join(CHECKOUT, ".docs/site");
const HTML = globSync("**/*.html", { cwd: SITE });
/** What a browser fetches by itself: all but the links that a reader follows. */
const FETCHED =
  /<(?!a[\s>])[a-z][^>]*?\s(?:src|href|srcset|data|action)="?((?:https?:)?\/\/[^"\s>]+)/g;

function read(name: string): string {
  return readFileSync(join(SITE, name), "utf8");
}

test("no page and no style sheet fetches from another host", () => {
  assert.ok(HTML.length > 50, `${HTML.length} pages; run: npm run docs`);
  const found = HTML.flatMap((name) =>
    [...read(name).matchAll(FETCHED)].map(([, url = ""]) => `${name}: ${url}`),
  );
  const styles = globSync("**/*.css", { cwd: SITE });
  assert.ok(styles.length > 0);
  for (const name of styles)
    for (const [, url = ""] of read(name).matchAll(
      /(?:url\(|@import)\s*["']?((?:https?:)?\/\/[^"')]+)/g,
    ))
      found.push(`${name}: ${url}`);
  assert.deepEqual(found, []);
});

test("what would fetch from another host is found", () => {
  const bad = '<link href="https://fonts.example/x.css"><script src=//a.example/b.js></script>';
  const good = '<a class="x" href="https://toml.io">TOML</a><script src="assets/x.js"></script>';
  assert.equal([...bad.matchAll(FETCHED)].length, 2);
  assert.equal([...good.matchAll(FETCHED)].length, 0);
});

test("each script, style sheet and picture of a page is in the site", () => {
  const lacking = HTML.filter((name) => name !== "404.html").flatMap((name) =>
    [...read(name).matchAll(/<(?:script|link|img)\b[^>]*?\s(?:src|href)="?([^"\s>#:]+)[\s">]/g)]
      .map(([, path = ""]) => path)
      .filter((path) => !existsSync(join(SITE, dirname(name), path)))
      .map((path) => `${name}: ${path}`),
  );
  assert.deepEqual(lacking, []);
});

test("the search finds the words of guides, options and errors in its index", () => {
  const index: unknown = JSON.parse(read("search/search_index.json"));
  assert.ok(typeof index === "object" && index !== null && "docs" in index);
  assert.ok(Array.isArray(index.docs));
  const docs: readonly { readonly location: string; readonly text: string }[] = index.docs;
  assert.ok(docs.length > 300, `${docs.length} sections`);
  for (const [word, page] of [
    ["stateless_http=True", "docs/guide/mcp.html"],
    ["--queue-timeout", "docs/options.html"],
    ["HOST_CERTIFICATE", "docs/errors.html"],
  ] as const)
    assert.ok(
      docs.some(({ location, text }) => location.startsWith(page) && text.includes(word)),
      `${word} in ${page}`,
    );
  assert.ok(globSync("assets/javascripts/workers/search.*.js", { cwd: SITE }).length === 1);
});

test("lists, tables and fences have become HTML", () => {
  const left = HTML.flatMap((name) =>
    [...read(name).matchAll(/<p>(.*?)<\/p>/gs)]
      .filter(([, text = ""]) => /^(?:- |\d+\. |\| |```)/m.test(text))
      .map(([text]) => `${name}: ${text.slice(0, 100)}`),
  );
  assert.deepEqual(left, []);
});
