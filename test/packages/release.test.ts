// What keeps a release back: texts that do not agree, and licences that may not be bundled.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { findDisagreements, findForeignLicenses } from "../../tools/release.ts";
import { CHECKOUT } from "../support/scratch.ts";

const read = (path: string): string => readFileSync(join(CHECKOUT, path), "utf8");

const FILES: Readonly<Record<string, string>> = {
  "package.json": '{"version":"1.2.3"}',
  "package-lock.json": '{"version":"1.2.3","packages":{"":{"version":"1.2.3"}}}',
  "python/typhon_server/__init__.py": '__version__ = "1.2.3"\n',
  "CHANGELOG.md": "# Changes\n\n## 1.2.3 (2026-12-01)\n\n- One.\n\n## 1.2.2\n\n- Two.\n",
  "packaging/node.json": '{"version":"24.22.3"}',
};

function faultsWith(changed: Readonly<Record<string, string>>): string[] {
  return findDisagreements((path) => changed[path] ?? FILES[path] ?? "");
}

describe("before a release", () => {
  test("this checkout agrees with itself", () => assert.deepEqual(findDisagreements(read), []));

  test("Unreleased changes are enough for a trial", () =>
    assert.deepEqual(faultsWith({ "CHANGELOG.md": "## Unreleased\n\n- One.\n" }), []));

  for (const [file, text, fault] of [
    ["package.json", '{"version":"1.2.4"}', /package-lock\.json has not the version 1\.2\.4/],
    ["package-lock.json", '{"version":"1.2.3","packages":{"":{"version":"1"}}}', /package-lock/],
    ["python/typhon_server/__init__.py", '__version__ = "1.2.30"', /__init__\.py has not/],
    ["CHANGELOG.md", "## 1.2.3\n\n## 1.2.2\n\n- Two.\n", /CHANGELOG\.md has no changes/],
    ["CHANGELOG.md", "## 1.2.30\n\n- One.\n", /CHANGELOG\.md has no changes/],
    ["packaging/node.json", '{"version":"24.22.2"}', /node\.json: Node v24\.22\.2 has known holes/],
  ] as const)
    test(`finds ${fault.source} in ${JSON.stringify(text)}`, () =>
      assert.match(faultsWith({ [file]: text })[0] ?? "", fault));
});

test("a licence that may not be bundled is found behind a dependency", () => {
  const licenses: Readonly<Record<string, string>> = { a: "MIT", b: "ISC", c: "GPL-3.0-only" };
  const needs: Readonly<Record<string, string>> = { a: "b", b: "c", c: "a" };
  const faults = findForeignLicenses(["a"], (name) => ({
    version: "1",
    license: licenses[name] ?? "",
    dependencies: { [needs[name] ?? ""]: "1" },
  }));
  assert.deepEqual(faults, ["c has the licence GPL-3.0-only"]);
});
