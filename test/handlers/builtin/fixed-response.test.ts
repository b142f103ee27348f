// Where a redirect leads.

import assert from "node:assert/strict";
import { test } from "node:test";

import { redirectLocation } from "../../../src/handlers/builtin/fixed-response.ts";

for (const [to, path, query, expected] of [
  ["/new{path}{query}", "/a", "?b=c", "/new/a?b=c"],
  ["https://example.com{path}", "/a/b", "", "https://example.com/a/b"],
  ["/{path}", "/a", "", "/a"],
  ["/{path}", "/evil.example/a", "", "/evil.example/a"],
  ["/{query}{path}", "/evil.example", "", "/evil.example"],
  ["/{path}", "", "", "/"],
  ["/x{path}", "/\\evil.example\r\nA: b", "", "/x/%5Cevil.example%0D%0AA:%20b"],
  ["/x{path}", "/{query}", "?q", "/x/%7Bquery%7D"],
  ["/stra\u{df}e/\u{2192}{path}", "/\u{c3}\u{9f}", "", "/stra%C3%9Fe/%E2%86%92/%C3%9F"],
  ["/x{path}?from={path}", "/a", "", "/x/a?from=/a"],
] as const)
  test(`${to} with ${JSON.stringify(path + query)} leads to ${expected}`, () => {
    assert.equal(redirectLocation(to, path, query), expected);
  });
