// The tables (RFC 7541 §2.3, §4, Appendix A): indexes, sizes, eviction.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { fieldName } from "../../src/http/headers.ts";
import {
  DynamicTable,
  headerField,
  STATIC_TABLE,
  withValue,
} from "../../src/http2/hpack-tables.ts";

function namesOf(table: DynamicTable): string[] {
  return Array.from({ length: table.length }, (_, i) => table.at(i)?.name ?? "missing");
}

test("has the 61 fields of Appendix A", () => {
  const lines = STATIC_TABLE.map(({ name, value }) => `${name}|${value}`);
  assert.equal(lines.length, 61);
  for (const [index, line] of [
    [1, ":authority|"],
    [2, ":method|GET"],
    [5, ":path|/index.html"],
    [7, ":scheme|https"],
    [8, ":status|200"],
    [14, ":status|500"],
    [16, "accept-encoding|gzip, deflate"],
    [33, "date|"],
    [61, "www-authenticate|"],
  ] as const)
    assert.equal(lines[index - 1], line);
});

test("a field knows its name's kinds; a pseudo-header field and an invalid name have none", () => {
  const field = headerField("content-length", "3");
  assert.equal(field.known, fieldName("Content-Length"));
  assert.equal(field.bytes, 14 + 1 + 32);
  assert.equal(headerField(":path", "/").known, null);
  assert.equal(headerField("", "").known, null);
  assert.equal(headerField("Upper", "").name, "Upper");
  assert.deepEqual(withValue(field, "44"), headerField("content-length", "44"));
});

test("the newest field has the first index, and the oldest leaves", () => {
  const table = new DynamicTable(3 * 33);
  for (const name of ["a", "b", "c", "d"]) table.add(headerField(name, ""));
  assert.deepEqual(namesOf(table), ["d", "c", "b"]);
  assert.equal(table.bytes, 99);
  assert.equal(table.at(3), undefined);
});

test("a table is full to the byte", () => {
  for (const [maxBytes, length] of [
    [99, 3],
    [98, 2],
  ] as const) {
    const table = new DynamicTable(maxBytes);
    for (const name of ["a", "b", "c"]) table.add(headerField(name, ""));
    assert.equal(table.length, length);
  }
});

test("a field larger than the table empties it and is not added", () => {
  const table = new DynamicTable(100);
  table.add(headerField("a", "1"));
  table.add(headerField("b", "x".repeat(68)));
  assert.deepEqual([table.length, table.bytes], [0, 0]);
  table.add(headerField("c", "x".repeat(67)));
  assert.deepEqual(namesOf(table), ["c"]);
});

test("a smaller size removes the oldest fields; a larger one brings none back", () => {
  const table = new DynamicTable();
  for (const name of ["a", "b", "c"]) table.add(headerField(name, ""));
  table.resize(70);
  assert.deepEqual(namesOf(table), ["c", "b"]);
  table.resize(4096);
  assert.deepEqual(namesOf(table), ["c", "b"]);
  table.resize(0);
  assert.deepEqual([table.length, table.bytes], [0, 0]);
});

test("does what a list does, at any size and order of changes", () => {
  const change = fc.oneof(fc.record({ add: fc.nat(60) }), fc.record({ resize: fc.nat(1500) }));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const table = new DynamicTable(1000);
      let list: string[] = [];
      let most = 1000;
      for (const one of changes) {
        if ("add" in one) {
          const value = "v".repeat(one.add);
          table.add(headerField("x", value));
          list.unshift(value);
        } else table.resize((most = one.resize));
        while (list.reduce((sum, value) => sum + value.length + 33, 0) > most)
          list = list.slice(0, -1);
        assert.deepEqual(
          Array.from({ length: table.length }, (_, i) => table.at(i)?.value),
          list,
        );
      }
    }),
    { numRuns: 100 },
  );
});
