// One path for all spellings: what routes, guards and files are chosen by.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { canonicalPath } from "../../src/routing/canonical-path.ts";

describe("canonicalPath", () => {
  for (const [path, expected] of [
    ["/", "/"],
    ["/a/b", "/a/b"],
    ["/a/b/", "/a/b/"],
    ["//a///b//", "/a/b/"],
    ["/a/./b/.", "/a/b/"],
    ["/a/../b", "/b"],
    ["/a/b/..", "/a/"],
    ["/a/..", "/"],
    ["/%61/%2e%2E/b", "/b"],
    ["/a%2fb", "/a/b"],
    ["/a%2f..%2fb", "/b"],
    ["/%252e%252e/x", "/%2e%2e/x"],
    ["/..a/.b/...", "/..a/.b/..."],
    ["/%C3%A9", "/\u{c3}\u{a9}"],
    ["/a\\..\\b", "/a\\..\\b"],
    ["/..", null],
    ["/a/../../b", null],
    ["/%2e%2e/b", null],
    ["/..%2fb", null],
    ["/a%00", null],
  ] as const)
    test(`${path} is ${expected ?? "refused"}`, () => {
      assert.equal(canonicalPath(path), expected);
    });

  test("a canonical path without percent signs is its own canonical path, and never leaves the root", () => {
    const piece = fc.constantFrom(
      "/",
      "//",
      ".",
      "..",
      "a",
      "%2e",
      "%2f",
      "%2F",
      "%61",
      "%c3",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = canonicalPath(`/${pieces.join("")}`);
        if (path === null) return;
        assert.equal(canonicalPath(path), path);
        assert(path.startsWith("/") && !path.includes("//"));
        assert(!path.split("/").some((segment) => segment === "." || segment === ".."));
      }),
    );
  });
});
