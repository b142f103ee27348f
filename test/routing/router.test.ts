// Hosts, paths and methods to handlers. Handlers are names here: which one is chosen is all that counts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ERRORS } from "../../src/http/error.ts";
import type { Handler } from "../../src/http/exchange.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { canonicalPath } from "../../src/routing/canonical-path.ts";
import { Router, type Route } from "../../src/routing/router.ts";

interface Named extends Handler {
  readonly name: string;
}

function named(name: string): Named {
  return { name, handle: () => assert.fail("the router calls no handler") };
}

/** "example.com/api" → a route for that host and path, whose handler has that name. */
function route(text: string, part: Partial<Route> = {}): Route {
  const slash = text.includes("/") ? text.indexOf("/") : text.length;
  return {
    host: text.slice(0, slash),
    path: text.slice(slash),
    readsSentPath: true,
    handler: named(text),
    ...part,
  };
}

function head(host: string, path: string, method = "GET"): RequestHead {
  const names = host === "" ? [] : ["accept", "host"];
  const values = host === "" ? [] : ["*/*", host];
  const bodyLength = 0;
  return {
    method,
    target: path,
    path,
    query: "",
    version: "1.1",
    names,
    values,
    fields: 0,
    bodyLength,
    protocol: "",
  };
}

function find(routes: readonly Route[], host: string, path: string, method = "GET"): string | null {
  const handler = new Router(routes).match(head(host, path, method), canonicalPath(path) ?? path);
  return "name" in handler ? String(handler.name) : null;
}

describe("Router", () => {
  const site = [
    "",
    "/api",
    "/api/v2",
    "example.com",
    "example.com/api",
    "*.example.com",
    "[::1]",
    "192.0.2.1",
  ].map((text) => route(text));

  for (const [host, path, expected] of [
    ["other.org", "/", ""],
    ["other.org", "/api", "/api"],
    ["other.org", "/api/users", "/api"],
    ["other.org", "/apis", ""],
    ["other.org", "/api/v2/users", "/api/v2"],
    ["example.com", "/", "example.com"],
    ["example.com", "/api/v2", "example.com/api"],
    ["EXAMPLE.com:8080", "/", "example.com"],
    ["example.com.", "/", "example.com"],
    ["www.example.com", "/api", "*.example.com"],
    ["a.b.example.com", "/", "*.example.com"],
    ["badexample.com", "/", ""],
    [".example.com", "/", ""],
    ["", "/", ""],
    ["[::1]:80", "/api", "[::1]"],
    ["[0:0:0:0:0:0:0:1]", "/", "[::1]"],
    ["[::FFFF:c000:201]:80", "/", "192.0.2.1"],
    ["other.org", "*", ""],
  ] as const)
    test(`${host || "no host"} ${path} goes to ${expected || "the route for everything"}`, () => {
      assert.equal(find(site, host, path), expected);
    });

  test("the order in which routes are given changes nothing", () => {
    assert.equal(find(site.toReversed(), "example.com", "/api"), "example.com/api");
  });

  test("the longer of two patterns is the more specific one", () => {
    const routes = [route("*.com"), route("*.example.com")];
    assert.equal(find(routes, "a.example.com", "/"), "*.example.com");
  });

  test("a host without a route for the path leaves the request to every host", () => {
    const routes = [route("example.com/only"), route("")];
    assert.equal(find(routes, "example.com", "/other"), "");
  });

  test("one route for everything needs no look at the request", () => {
    assert.equal(find([route("")], "any", "/any", "ANY"), "");
  });

  for (const [path, expected] of [
    ["/admin/x", "/admin"],
    ["/%61dmin//x", "/admin"],
    ["/admin/./x/../y", "/admin"],
    ["/x//y", ""],
    ["/x/../y", ""],
    // An application would see a page of /admin, or of /x, that this route does not guard.
    ["/admin/../x", null],
    ["/admin/%2e%2e/x", null],
    ["/admin%2f..%2fx", null],
    ["//admin/../x", null],
    ["/x/../admin/y", null],
    ["/./admin/y", null],
    ["//admin/y", null],
  ] as const)
    test(`an application behind two routes ${expected === null ? "does not get" : "gets"} ${path}`, () => {
      assert.equal(find([route(""), route("/admin")], "", path), expected);
    });

  test("files have one reading of a path: the canonical one", () => {
    const routes = [route("", { readsSentPath: false }), route("/admin", { readsSentPath: false })];
    assert.equal(find(routes, "", "/admin/../x"), "");
    assert.equal(find(routes, "", "//admin/x"), "/admin");
  });

  test("a request without a route is 404 where its host is served, else 421", () => {
    const router = new Router([route("example.com/api")]);
    assert.equal(router.match(head("example.com", "/"), "/"), ERRORS.NOT_FOUND);
    assert.equal(router.match(head("other.org", "/api"), "/api"), ERRORS.HOST_UNKNOWN);
  });
});
