// Redirects of a file that never end, and those that only look so.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { redirectLoops } from "../../src/config/redirect-loops.ts";
import { load } from "../../src/config/load.ts";
import { FILE } from "../support/file-scope.ts";
import { makeScratch } from "../support/scratch.ts";

const folder = makeScratch(FILE);

/** Routes as "host/path → redirect"; anything but a path or a URL is a text. */
function loopsOf(routes: readonly string[], hasTls = false): readonly string[] {
  const tables = routes.map((text) => {
    const [from = "", to = ""] = text.split(" → ");
    const host = from.slice(0, from.indexOf("/"));
    const target = /^(?:\/|http)/.test(to) ? "redirect" : "respond";
    return `[[routes]]\n${host === "" ? "" : `host = "${host}"\n`}path = "${from.slice(host.length)}"\n${target} = "${to}"\n`;
  });
  writeFileSync(join(folder, "typhon.toml"), tables.join(""));
  return redirectLoops(load([], {}, folder).routes, hasTls);
}

for (const [routes, told] of [
  [["/a → /a"], "/a → /a → /a → /a"],
  [["/a → /a/b{path}"], "/a → /a/b → /a/b/b → /a/b/b/b"],
  [["/a → /b{path}", "/b → /a{path}"], "/a → /b → /a → /b"],
  [["/ → /{path}"], "/ → / → / → /"],
  [["/ → /start", "/x → text"], "/ → /start → /start → /start"],
  [
    ["/stra\u00dfe → /stra%C3%9Fe/neu"],
    "/stra\u00dfe → /stra\u00dfe/neu → /stra\u00dfe/neu → /stra\u00dfe/neu",
  ],
  [["a.example/ → http://a.example{path}"], "a.example/ → a.example/ → a.example/ → a.example/"],
  [
    ["a.example/ → https://b.example{path}", "b.example/ → https://a.example{path}"],
    "a.example/ → b.example/ → a.example/ → b.example/",
  ],
  [
    ["*.example/ → http://x.example/new"],
    "any.example/ → x.example/new → x.example/new → x.example/new",
  ],
] as const)
  test(`a redirect without end: ${routes.join(", ")}`, () => {
    assert.equal(loopsOf(routes)[0], `a redirect without end: ${told} → …`);
  });

for (const routes of [
  ["/a → /b{path}"],
  ["/a → /b{path}", "/b → text"],
  ["/a → /a/b{path}", "/a/b → text"],
  ["/ → /start", "/start → text"],
  ["/ → https://other.example{path}"],
  ["/ → http://other.example{path}"],
  ["a.example/ → https://a.example{path}"],
  ["a.example/ → http://a.example:8080{path}"],
  ["www.a.example/ → https://a.example{path}", "a.example/ → text"],
])
  test(`redirects that end, or lead to where another server may be: ${routes.join(", ")}`, () => {
    assert.deepEqual(loopsOf(routes), []);
  });

test("https of the same host is a loop where this server has it", () => {
  const routes = ["a.example/ → https://a.example{path}"];
  assert.equal(loopsOf(routes, true).length, 1);
});
