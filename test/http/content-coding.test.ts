// Which coding a client gets.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { chooseCoding, isCompressible } from "../../src/http/content-coding.ts";

describe("chooseCoding of zstd, br, gzip", () => {
  for (const [accept, expected] of [
    [null, "identity"],
    ["", "identity"],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["br;q=0.5, gzip;q=0.5", "br"],
    ["GZIP ; Q=0.3", "gzip"],
    ["*", "zstd"],
    ["*;q=0.1, gzip", "gzip"],
    ["zstd;q=0, *", "br"],
    ["*;q=0", "identity"],
    ["gzip;q=0", "identity"],
    ["identity", "identity"],
    ["identity;q=1, gzip;q=0.5", "identity"],
    ["identity;q=0.5, gzip;q=0.5", "gzip"],
    ["identity;q=0, gzip;q=0.1", "gzip"],
    ["gzip;q=2", "identity"],
    ["gzip;q=0.1234", "identity"],
    ["deflate, compress", "identity"],
  ] as const)
    test(`${accept ?? "no field"}: ${expected}`, () => {
      assert.equal(chooseCoding(accept, ["zstd", "br", "gzip"]), expected);
    });

  test("what is not offered is not chosen", () => {
    assert.equal(chooseCoding("br, gzip;q=0.1", ["gzip"]), "gzip");
    assert.equal(chooseCoding("br", []), "identity");
  });
});

test("text of all kinds is worth compressing, pictures and archives are not", () => {
  for (const type of [
    "text/html; charset=utf-8",
    "text/css",
    "text/event-stream",
    "application/json",
    "application/ld+json",
    "application/problem+json",
    "application/vnd.api+json; charset=utf-8",
    "image/svg+xml",
    "application/wasm",
    "font/ttf",
  ])
    assert(isCompressible(type), type);
  for (const type of [
    "",
    "image/png",
    "video/mp4",
    "font/woff2",
    "application/zip",
    "application/pdf",
    "application/jsonx+zip",
  ])
    assert(!isCompressible(type), type);
});
