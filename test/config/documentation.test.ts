// The pages of the documentation: each link inside the repository leads to a file, and to a heading that it has.

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const PAGES = ["*.md", "docs/**/*.md", "benchmarks/*.md"].flatMap((pattern) =>
  globSync(pattern, { cwd: ROOT }),
);
/** Code has no links. */
const CODE = /^```.*?^```$|`[^`\n]*`/gms;

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return words.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-");
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}

function hasAnchor(page: string, anchor: string): boolean {
  const lines = read(page)
    .replaceAll(/^```.*?^```$/gms, "")
    .split("\n");
  const headings = lines.filter((line) => /^#+ /.test(line));
  return headings.some((line) => anchorOf(line.replace(/^#+ /, "").trim()) === anchor);
}

test("each link leads to a file, and to a heading that it has", () => {
  const broken: string[] = [];
  let links = 0;
  for (const page of PAGES) {
    const text = read(join(ROOT, page)).replaceAll(CODE, "");
    for (const [, link = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      links += 1;
      const [path = "", anchor = ""] = link.split("#", 2);
      const target = path === "" ? join(ROOT, page) : join(ROOT, dirname(page), path);
      const isThere = existsSync(target) && (anchor === "" || hasAnchor(target, anchor));
      if (!isThere) broken.push(`${page}: ${link} (${relative(ROOT, target)})`);
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(links > 100, `${links} links`);
});
