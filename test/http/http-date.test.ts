// The dates of HTTP.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { formatHttpDate, parseHttpDate } from "../../src/http/http-date.ts";

describe("parseHttpDate", () => {
  for (const text of [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
  ])
    test(`reads ${text}`, () => {
      assert.equal(parseHttpDate(text), 784_111_777);
    });

  for (const text of [
    "",
    "0",
    "06 Nov 1994 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 06 Now 1994 08:49:37 GMT",
    "Sun, 06 anF 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 CET",
    "Sun, 06 Nov 1994 08:49:37 GMT, ",
  ])
    test(`"${text}" is no date`, () => {
      assert.equal(parseHttpDate(text), null);
    });

  test("two digits of a year are the latest year that is not far in the future", () => {
    const in2026 = Date.UTC(2026, 0, 1);
    assert.equal(parseHttpDate("Friday, 01-Jan-27 00:00:00 GMT", in2026), Date.UTC(2027, 0) / 1000);
    assert.equal(parseHttpDate("Friday, 01-Jan-77 00:00:00 GMT", in2026), Date.UTC(1977, 0) / 1000);
  });

  test("reads what formatHttpDate writes", () => {
    fc.assert(
      fc.property(fc.nat(4_102_444_800), (time) => {
        assert.equal(parseHttpDate(formatHttpDate(time)), time);
      }),
    );
  });
});
