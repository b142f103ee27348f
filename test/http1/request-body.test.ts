// Body length (RFC 9112 §6.3): every form that another reader could take differently is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestFault } from "../../src/http/error.ts";
import {
  BODY_BYTES_PER_SECOND,
  BODY_GRACE_MS,
  BODY_WINDOW_MS,
} from "../../src/net/connection-limits.ts";
import { bodyLength, RequestBodyReader } from "../../src/http1/request-body.ts";

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

/** When a body that comes at this rate, tick by tick, is refused, ms; Infinity: it has come whole. */
function refusedAt(bytes: number, bytesPerSecond: number, isLive = false): number {
  const body = new RequestBodyReader(bytes, bytes, 60_000);
  body.begin({ isLive, onBody: () => undefined, onBodyEnd: () => undefined }, 0);
  const piece = Buffer.alloc((bytesPerSecond * BODY_WINDOW_MS) / 1000);
  for (let now = 0; !body.isWhole; now += BODY_WINDOW_MS) {
    body.take(piece, 0);
    if (!body.isWhole && body.isTooSlow(now)) return now;
  }
  return Infinity;
}

test("a body that is slow for hours has one limit of time in all, which every byte moves", () => {
  const MIB = 1_048_576;
  // 190 MiB at 520 B/s would take four days.
  const slow = refusedAt(190 * MIB, 520);
  assert.ok(slow >= BODY_GRACE_MS && slow <= BODY_GRACE_MS * 1.05, `${slow} ms`);
  // A line of 50 kbit/s: 20 MiB come within the first hour.
  assert.equal(refusedAt(20 * MIB, 6_400), Infinity);
  // A quarter of the rate that moves the limit: an hour and a third.
  const quarter = refusedAt(190 * MIB, BODY_BYTES_PER_SECOND / 4);
  assert.ok(Math.abs(quarter - (BODY_GRACE_MS * 4) / 3) <= BODY_WINDOW_MS, `${quarter} ms`);
  assert.equal(refusedAt(1024 * MIB, BODY_BYTES_PER_SECOND), Infinity);
  // The application itself reads a live body as it comes.
  assert.equal(refusedAt(5 * MIB, 520, true), Infinity);
});
