// Preconditions in the order of RFC 9110 §13.2.2.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { evaluateConditions, isRangeCurrent } from "../../src/http/conditions.ts";
import type { RequestHead } from "../../src/http/message.ts";

const CURRENT = { etag: '"new"', lastModified: 1_000_000_000 };
const AT = "Sun, 09 Sep 2001 01:46:40 GMT";
const BEFORE = "Sun, 09 Sep 2001 01:46:39 GMT";
const LATER = "Sunday, 09-Sep-01 01:46:41 GMT";

/** "PUT If-Match: *; …" → the head of such a request. */
function request(text: string): RequestHead {
  const [method = "", ...rest] = text.split(" ");
  const fields = rest
    .join(" ")
    .split("; ")
    .filter((field) => field !== "");
  const parts = fields.map((field) => /^([^:]+): (.*)$/.exec(field) ?? []);
  return {
    method,
    target: "/",
    path: "/",
    query: "",
    version: "1.1",
    names: parts.map(([, name = ""]) => name.toLowerCase()),
    values: parts.map(([, , value = ""]) => value),
    fields: 0,
    bodyLength: 0,
    protocol: "",
  };
}

describe("evaluateConditions", () => {
  for (const [text, expected] of [
    ["GET", "proceed"],
    ['GET If-None-Match: "new"', "not-modified"],
    ['GET If-None-Match: W/"new"', "not-modified"],
    ['GET If-None-Match: "a,b", "new"', "not-modified"],
    ['GET If-None-Match: "old"; If-None-Match: "new"', "not-modified"],
    ["HEAD If-None-Match: *", "not-modified"],
    ['GET If-None-Match: "old"', "proceed"],
    ["GET If-None-Match: new", "proceed"],
    ['GET If-None-Match: "new', "proceed"],
    ['PUT If-None-Match: "new"', "failed"],
    ["PUT If-None-Match: *", "failed"],
    [`GET If-None-Match: "old"; If-Modified-Since: ${AT}`, "proceed"],
    [`GET If-Modified-Since: ${AT}`, "not-modified"],
    [`GET If-Modified-Since: ${LATER}`, "not-modified"],
    [`GET If-Modified-Since: ${BEFORE}`, "proceed"],
    [`POST If-Modified-Since: ${AT}`, "proceed"],
    ["GET If-Modified-Since: yesterday", "proceed"],
    ['GET If-Match: "new"', "proceed"],
    ['GET If-Match: W/"new"', "failed"],
    ['GET If-Match: "old"', "failed"],
    ["GET If-Match: *", "proceed"],
    [`GET If-Match: "new"; If-Unmodified-Since: ${BEFORE}`, "proceed"],
    [`GET If-Unmodified-Since: ${BEFORE}`, "failed"],
    [`GET If-Unmodified-Since: ${AT}`, "proceed"],
    ["GET If-Unmodified-Since: yesterday", "proceed"],
    ['GET If-Match: "old"; If-None-Match: "new"', "failed"],
    [`GET If-Unmodified-Since: ${BEFORE}; If-None-Match: "new"`, "failed"],
  ] as const)
    test(`${text}: ${expected}`, () => {
      assert.equal(evaluateConditions(request(text), CURRENT), expected);
    });

  test("something without validators matches * alone", () => {
    const none = { etag: "", lastModified: -1 };
    assert.equal(evaluateConditions(request('GET If-None-Match: "new"'), none), "proceed");
    assert.equal(evaluateConditions(request(`GET If-Modified-Since: ${AT}`), none), "proceed");
    assert.equal(evaluateConditions(request("GET If-Match: *"), none), "proceed");
    assert.equal(evaluateConditions(request('GET If-Match: "new"'), none), "failed");
  });

  test("a weak tag never matches strongly", () => {
    const weak = { etag: 'W/"new"', lastModified: -1 };
    assert.equal(evaluateConditions(request('GET If-Match: "new"'), weak), "failed");
    assert.equal(evaluateConditions(request('GET If-None-Match: "new"'), weak), "not-modified");
  });
});

describe("isRangeCurrent", () => {
  const now = CURRENT.lastModified + 10;
  for (const [text, expected] of [
    ["GET", true],
    ['GET If-Range: "new"', true],
    ['GET If-Range: "old"', false],
    ['GET If-Range: W/"new"', false],
    [`GET If-Range: ${AT}`, true],
    [`GET If-Range: ${LATER}`, false],
    ["GET If-Range: yesterday", false],
  ] as const)
    test(`${text}: ${String(expected)}`, () => {
      assert.equal(isRangeCurrent(request(text), CURRENT, now), expected);
    });

  test("a date of this second may stand for two versions", () => {
    const head = request(`GET If-Range: ${AT}`);
    assert.equal(isRangeCurrent(head, CURRENT, CURRENT.lastModified), false);
  });
});
