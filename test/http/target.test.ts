// Request targets and Host values: the grammar of RFC 9112 §3.2 and RFC 3986, and what we refuse beyond.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestFault } from "../../src/http/error.ts";
import { isValidHost, parseTarget } from "../../src/http/target.ts";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof RequestFault);
    return error.error.code;
  }
  return "";
}

test("splits origin-form at the first question mark and changes nothing", () => {
  assert.deepEqual(parseTarget("/%41//b/../c?x?y=%zz&q=100%", "GET"), {
    path: "/%41//b/../c",
    query: "x?y=%zz&q=100%",
    authority: null,
  });
});

test("reads absolute-form: its authority, and / for an empty path (RFC 9112 §3.2.2)", () => {
  assert.deepEqual(parseTarget("HTTP://a.b:80/x?y", "GET"), {
    path: "/x",
    query: "y",
    authority: "a.b:80",
  });
  assert.deepEqual(parseTarget("http://[::1]?y", "GET"), {
    path: "/",
    query: "y",
    authority: "[::1]",
  });
  assert.deepEqual(parseTarget("http://a", "GET"), { path: "/", query: "", authority: "a" });
});

test("takes * for OPTIONS only (RFC 9112 §3.2.4)", () => {
  assert.equal(parseTarget("*", "OPTIONS").path, "*");
  for (const method of ["GET", "options", "HEAD"])
    assert.equal(
      codeOf(() => parseTarget("*", method)),
      "TARGET_INVALID",
    );
  assert.equal(
    codeOf(() => parseTarget("*/", "OPTIONS")),
    "TARGET_INVALID",
  );
});

test("refuses what is no target", () => {
  const bad = [
    "",
    "x",
    "?x",
    "a:80",
    "/a#b",
    "/a?b#c",
    '/"',
    "/<x>",
    "/a\\b",
    "/{x}",
    "/`",
    "/\x00",
    "/\x1f",
    "/\x7f",
    "/\x80",
    "/é",
    "/?é",
    "/?\x01",
    '/?"',
    "/?<",
    "/ ",
    "/%",
    "/%4",
    "/%4g",
    "/%zz",
    "/%%41",
    "/%00",
    "/a%00b?x",
    "http:/a",
    "http:a",
    "http://",
    "http:///x",
    "http://?x",
    "http://u@a/",
    "http://u:p@a/",
    "http://a:80:80/",
    "http://a:99999/",
    "http://a:80x/",
    "http://a\\b/",
    "http://[::1/",
    "http://[::1]x/",
    "http://a/%00",
    "http://a/x#y",
  ];
  for (const target of bad)
    assert.equal(
      codeOf(() => parseTarget(target, "GET")),
      "TARGET_INVALID",
      target,
    );
});

test("refuses an https target on a connection without TLS, and other schemes (RFC 9110 §7.4)", () => {
  for (const target of ["https://a/", "HTTPS://a/x", "ftp://a/", "ws://a/"])
    assert.equal(
      codeOf(() => parseTarget(target, "GET")),
      "TARGET_SCHEME",
      target,
    );
});

test("takes every pchar, and what browsers leave raw", () => {
  const good = [
    "//",
    "//a/b",
    "/~u/!$&'()*+,;=:@-._",
    "/a|b[1]^",
    "/?{}|\\^`[]/?:@!$&'()*+,;=",
    "/?%00",
    "/?%",
    "/http://b/x",
    "/%C3%A9%2f",
  ];
  for (const target of good)
    assert.equal(
      codeOf(() => parseTarget(target, "GET")),
      "",
      target,
    );
});

test("accepts hosts that RFC 3986 allows", () => {
  const good = [
    "a",
    "A.b-c_d~e",
    "a:",
    "a:0",
    "a:8080",
    "a:00080",
    "a:65535",
    "127.0.0.1",
    "127.0.0.1:80",
    "999.1.2.3",
    "a.",
    "xn--caf-dma.example",
    "a!$&'()*+,;=b",
    "a%41",
    "%61:1",
    "[::1]",
    "[::1]:80",
    "[::1]:",
    "[2001:DB8::192.0.2.1]",
    "[v1.fe:x]",
  ];
  for (const host of good) assert.ok(isValidHost(host), host);
});

test("refuses hosts that are none (RFC 9112 §3.2)", () => {
  const bad = [
    "",
    ":",
    ":80",
    "a b",
    "a\tb",
    "a/b",
    "a?b",
    "a#b",
    "a@b",
    "u:p@b",
    "a\\b",
    "a,b c",
    "http://a",
    '"a"',
    "<a>",
    "a^b",
    "a|b",
    "a`",
    "{a}",
    "a:b",
    "a:-1",
    "a:+1",
    "a: 80",
    "a:80 ",
    "a:1.2",
    "a:0x50",
    "a:65536",
    "a:98777",
    "a:99999999999999999999",
    "a:80:80",
    "a::80",
    "::1",
    "[::1",
    "::1]",
    "[]",
    "[]:80",
    "[::1]a",
    "[::1]]",
    "[[::1]]",
    "[::g]",
    "[1:2]",
    "[127.0.0.1]",
    "[a]",
    "[::1%eth0]",
    "[::1%25eth0]",
    "[v.x]",
    "[v1.]",
    "[vg.x]",
    "[v1x]",
    "a%",
    "a%4",
    "a%zz",
    "a%00",
    "a%0a",
    "a%7f",
    "café",
    "a\x00",
    "a\x7f",
    "a\x80",
  ];
  for (const host of bad) assert.ok(!isValidHost(host), JSON.stringify(host));
});
