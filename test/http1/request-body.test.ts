// Body length (RFC 9112 §6.3): every form that another reader could take differently is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestFault } from "../../src/http/error.ts";
import { bodyLength } from "../../src/http1/request-body.ts";

function result(
  length: string | null,
  coding: string | null,
  version: "1.0" | "1.1" = "1.1",
): unknown {
  try {
    return bodyLength(version, length, coding);
  } catch (error) {
    assert.ok(error instanceof RequestFault);
    return error.error.code;
  }
}

test("a request without either field has no body", () => {
  assert.equal(result(null, null), 0);
});

test("Content-Length is decimal digits and nothing else (RFC 9110 §8.6)", () => {
  assert.equal(result("0", null), 0);
  assert.equal(result("010", null), 10);
  assert.equal(result("00000000000000000000005", null), 5);
  for (const value of [
    "",
    "+5",
    "-1",
    "-0",
    "1_0",
    "1 0",
    "5.0",
    "5,5",
    "5, 5",
    ",5",
    "5,",
    "0x5",
    "5e1",
    "Infinity",
    "NaN",
    "x",
    "\xb2",
    "5;",
    "'5'",
  ])
    assert.equal(result(value, null), "CONTENT_LENGTH_INVALID", value);
  assert.equal(result("99999999999999999999", null), "BODY_TOO_LARGE");
  assert.equal(result("9007199254740993", null), "BODY_TOO_LARGE");
});

test("chunked is the one coding, in any case (RFC 9112 §7)", () => {
  for (const value of ["chunked", "Chunked", "CHUNKED", ",chunked", "chunked, ", ", \tchunked\t,"])
    assert.equal(result(null, value), null, value);
});

test("chunked elsewhere than once at the end is refused with 400, others with 501", () => {
  for (const value of [
    "",
    ",",
    "identity",
    "gzip",
    "chunked, identity",
    "chunked, chunked",
    "chunked chunked",
    "chunked;",
    "chunked;q=1",
    "xchunked",
    "chunked\x0b",
    "\x0bchunked",
    "chunked\x85",
    "'chunked'",
    '"chunked"',
    "chunked/",
    ": chunked",
    "gzip;x, chunked",
    "g z, chunked",
  ])
    assert.equal(result(null, value), "CODING_INVALID", JSON.stringify(value));
  for (const value of ["gzip, chunked", "identity,chunked", "x, y, chunked"])
    assert.equal(result(null, value), "CODING_UNSUPPORTED", value);
});

test("both fields together are refused, and a coding in 1.0 (RFC 9112 §6.1)", () => {
  assert.equal(result("5", "chunked"), "LENGTH_AND_CODING");
  assert.equal(result("0", "chunked"), "LENGTH_AND_CODING");
  assert.equal(result("x", "chunked"), "LENGTH_AND_CODING");
  assert.equal(result(null, "chunked", "1.0"), "CODING_IN_HTTP_10");
  assert.equal(result("5", "x", "1.0"), "CODING_IN_HTTP_10");
});
