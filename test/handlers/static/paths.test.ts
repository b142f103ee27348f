// Names of canonical paths, and paths in URLs.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { encodePath, isPagePath, namesOf } from "../../../src/handlers/static/paths.ts";
import { canonicalPath } from "../../../src/routing/canonical-path.ts";

test("names are what stands between slashes", () => {
  assert.deepEqual(namesOf("/a/b c/d"), ["a", "b c", "d"]);
  assert.deepEqual(namesOf("/a/"), ["a"]);
  assert.deepEqual(namesOf("/"), []);
  assert.deepEqual(namesOf(""), []);
});

test("names with a dot in front are hidden, but /.well-known", () => {
  for (const path of ["/.env", "/a/.git/x", "/.git", "/a/.well-known/x", "/.well-known/.x", "/..."])
    assert.equal(namesOf(path), null, path);
  assert.deepEqual(namesOf("/.well-known/x"), [".well-known", "x"]);
  assert.deepEqual(namesOf("/a..b"), ["a..b"]);
});

test("an encoded path is the same path again, and ASCII without what splits a URL", () => {
  const byte = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 20 }), (bytes) => {
      const path = canonicalPath(encodePath(`/${bytes.join("")}`));
      if (path === null) return;
      const encoded = encodePath(path);
      assert.match(encoded, /^\/[!$-;=@-Z_a-z~%]*$/);
      assert.doesNotMatch(encoded, /^\/\/|\\/);
      assert.equal(canonicalPath(encoded), path);
    }),
  );
});

test("the path of a missing script is no page", () => {
  for (const path of [["app.js"], ["a", "logo.png"], ["x.html"]]) assert(!isPagePath(path));
  for (const path of [[], ["orders"], ["users", "john.doe"], ["v1.2"]]) assert(isPagePath(path));
});
