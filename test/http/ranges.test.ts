// Byte ranges: which parts a Range field selects, and how several parts are framed.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { contentRange, MAX_RANGES, multipart, selectRanges } from "../../src/http/ranges.ts";

/** "0-4 10-19" for two ranges, both ends included. */
function words(value: string, length: number): string {
  const selected = selectRanges(value, length);
  if (typeof selected === "string") return selected;
  return selected.map(({ start, end }) => `${start}-${end - 1}`).join(" ");
}

describe("selectRanges", () => {
  for (const [value, length, expected] of [
    ["bytes=0-4", 10, "0-4"],
    ["Bytes=0-0", 10, "0-0"],
    ["bytes=5-", 10, "5-9"],
    ["bytes=-3", 10, "7-9"],
    ["bytes=-30", 10, "0-9"],
    ["bytes=0-99", 10, "0-9"],
    ["bytes=9-9,", 10, "9-9"],
    ["bytes= 1-2 ,\t4-5", 1000, "1-5"],
    ["bytes=0-9,500-509", 1000, "0-9 500-509"],
    ["bytes=500-509,0-9", 1000, "500-509 0-9"],
    ["bytes=0-9,200-209,5-20", 1000, "200-209 0-20"],
    ["bytes=0-9,50-59", 1000, "0-59"],
    ["bytes=0-9,2000-", 1000, "0-9"],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=99999999999999999999-", 10, "unsatisfiable"],
    ["bytes=0-499,600-999,500-599", 1000, "0-999"],
    ["bytes=4-2", 10, "whole"],
    ["bytes=-", 10, "whole"],
    ["bytes=a-b", 10, "whole"],
    ["bytes=1", 10, "whole"],
    ["bytes=1-2-3", 10, "whole"],
    ["bytes=+1-2", 10, "whole"],
    ["items=0-4", 10, "whole"],
    ["bytes=0-4", 0, "whole"],
    ["bytes=-5", 0, "whole"],
  ] as const)
    test(`${value} of ${length} bytes: ${expected}`, () => {
      assert.equal(words(value, length), expected);
    });

  test(`more than ${MAX_RANGES} ranges are ignored`, () => {
    const spec = (count: number): string =>
      `bytes=${Array.from({ length: count }, (_, at) => `${at * 1000}-${at * 1000}`).join(",")}`;
    assert.equal(selectRanges(spec(MAX_RANGES), 1_000_000).length, MAX_RANGES);
    assert.equal(selectRanges(spec(MAX_RANGES + 1), 1_000_000), "whole");
  });

  test("no response has more bytes of a file than the file, and every range lies in it", () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(2000), fc.nat(2000)).map(([first, last]) => `${first}-${last}`),
      fc.nat(2000).map((first) => `${first}-`),
      fc.nat(2000).map((last) => `-${last}`),
    );
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 20 }), fc.nat(1500), (specs, length) => {
        const selected = selectRanges(`bytes=${specs.join(",")}`, length);
        if (typeof selected === "string") return;
        let total = 0;
        for (const { start, end } of selected) {
          assert(0 <= start && start < end && end <= length);
          total += end - start;
        }
        assert(total <= length);
      }),
    );
  });
});

test("a multipart body has each part with its place, and its length is known before", () => {
  const file = "abcdefghij".repeat(100);
  const ranges = [
    { start: 0, end: 5 },
    { start: 900, end: 903 },
  ];
  const { contentType, heads, tail, length } = multipart(ranges, 1000, "text/plain", "limit");
  const parts = ranges.map(({ start, end }, at) => `${heads[at] ?? ""}${file.slice(start, end)}`);
  const body = `${parts.join("")}${tail}`;
  assert.equal(contentType, "multipart/byteranges; boundary=limit");
  assert.equal(
    body,
    "--limit\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-4/1000\r\n\r\nabcde\r\n" +
      "--limit\r\nContent-Type: text/plain\r\nContent-Range: bytes 900-902/1000\r\n\r\nabc\r\n" +
      "--limit--\r\n",
  );
  assert.equal(length, body.length);
});

test("416 names the length alone", () => {
  assert.equal(contentRange(null, 10), "bytes */10");
});
