// What a request for a file gets: all of it, parts, 304, 412, 416; and the heads of each.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import {
  HAS_CONDITION,
  HAS_RANGE,
  type RequestHead,
  type ResponseHead,
} from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { notModifiedHead, select, type Selection } from "../../src/http/selected-response.ts";

const NOW = 1_800_000_000;
const LENGTH = 1000;
const HEAD = responseHead(200, "OK", [
  ["Content-Type", "text/plain; charset=utf-8"],
  ["Content-Length", String(LENGTH)],
  ["Content-Encoding", "br"],
  ["ETag", '"a-1-br"'],
  ["Last-Modified", "Fri, 15 Jan 2027 07:00:00 GMT"],
  ["Accept-Ranges", "bytes"],
  ["Vary", "Accept-Encoding"],
  ["X-Own", "kept"],
]);
const FILE = { head: HEAD, length: LENGTH, etag: '"a-1-br"', lastModified: NOW - 3600 };

function request(fields: Record<string, string>, method = "GET"): RequestHead {
  const names = Object.keys(fields);
  const isCondition = (name: string): boolean => name.startsWith("if-") && name !== "if-range";
  return {
    method,
    target: "/",
    path: "/",
    query: "",
    version: "1.1",
    names,
    values: Object.values(fields),
    fields:
      (names.some(isCondition) ? HAS_CONDITION : 0) | (names.includes("range") ? HAS_RANGE : 0),
    bodyLength: 0,
    protocol: "",
  };
}

function selectWith(fields: Record<string, string>, method = "GET"): Selection {
  return select(request(fields, method), FILE, NOW);
}

function fieldsOf({ names, values }: ResponseHead): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name.toLowerCase(), values[index] ?? ""]));
}

function partsOf(selection: Selection): Extract<Selection, { kind: "parts" }> {
  assert(typeof selection === "object" && selection.kind === "parts");
  return selection;
}

function statusOf(selection: Selection): number {
  assert(typeof selection === "object" && selection.kind === "error");
  return selection.error.status;
}

test("without conditions and ranges the whole file is sent", () => {
  assert.equal(selectWith({}), "whole");
  assert.equal(selectWith({ "if-range": '"x"' }), "whole");
});

test("conditions come before ranges (RFC 9110 §13.2.2)", () => {
  const range = { range: "bytes=0-1" };
  assert.equal(selectWith({ "if-none-match": '"a-1-br"', ...range }), "not-modified");
  assert.equal(statusOf(selectWith({ "if-match": '"other"', ...range })), 412);
  assert.equal(statusOf(selectWith({ "if-match": '"a-1-br"', range: "bytes=5000-" })), 416);
  assert.equal(selectWith({ "if-none-match": '"a-1"' }), "whole");
});

test("one range: 206 with Content-Range, and all other fields of the file", () => {
  const { head, parts } = partsOf(selectWith({ range: "bytes=10-19" }));
  assert.deepEqual(parts, [{ start: 10, end: 20 }]);
  assert.deepEqual([head.status, head.contentLength], [206, 10]);
  const expected = {
    ...fieldsOf(HEAD),
    "content-length": "10",
    "content-range": "bytes 10-19/1000",
  };
  assert.deepEqual(fieldsOf(head), expected);
});

test("several ranges: the parts and their heads, the type in each part", () => {
  const { head, parts } = partsOf(selectWith({ range: "bytes=0-9,500-509" }));
  const fields = fieldsOf(head);
  assert.match(fields["content-type"] ?? "", /^multipart\/byteranges; boundary=\w{32}$/);
  assert.equal(fields["content-range"], undefined);
  const text = parts
    .map((part) => (typeof part === "string" ? part : ".".repeat(part.end - part.start)))
    .join("");
  assert.equal(head.contentLength, text.length);
  assert.match(
    text,
    /Content-Type: text\/plain; charset=utf-8\r\nContent-Range: bytes 500-509\/1000\r\n\r\n\.{10}\r\n--\w+--\r\n$/,
  );
});

test("416 has the length, and only GET has ranges", () => {
  const selection = selectWith({ range: "bytes=1000-" });
  assert(typeof selection === "object" && selection.kind === "error");
  assert.deepEqual(selection.error.fields, [["Content-Range", "bytes */1000"]]);
  assert.equal(selectWith({ range: "bytes=1000-" }, "HEAD"), "whole");
});

test("a range of another version is ignored (If-Range)", () => {
  assert.equal(selectWith({ range: "bytes=0-1", "if-range": '"a-1"' }), "whole");
  partsOf(selectWith({ range: "bytes=0-1", "if-range": '"a-1-br"' }));
});

test("304 has what caches need, and nothing of the body", () => {
  const head = notModifiedHead(HEAD);
  assert.equal(head.status, 304);
  assert.deepEqual(Object.keys(fieldsOf(head)), ["etag", "last-modified", "vary", "x-own"]);
});

test("whatever the ranges are, the parts add up to Content-Length", () => {
  const bound = fc.option(fc.integer({ min: 0, max: 2000 }), { nil: "" as const });
  const spec = fc.tuple(bound, bound).map(([first, last]) => `${first}-${last}`);
  const value = fc
    .array(spec, { minLength: 1, maxLength: 20 })
    .map((all) => `bytes=${all.join(",")}`);
  fc.assert(
    fc.property(value, (range) => {
      const selection = selectWith({ range });
      if (typeof selection !== "object" || selection.kind === "error") return;
      const sizes = selection.parts.map((part) =>
        typeof part === "string" ? part.length : part.end - part.start,
      );
      assert.equal(
        selection.head.contentLength,
        sizes.reduce((sum, size) => sum + size, 0),
      );
      for (const part of selection.parts)
        if (typeof part !== "string")
          assert(0 <= part.start && part.start < part.end && part.end <= LENGTH);
    }),
  );
});
