// Character classes and lists.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  endOf,
  FIELD_VALUE,
  hasMember,
  isAllOf,
  listMembers,
  TOKEN,
  trimBlanks,
} from "../../src/http/grammar.ts";

test("field values take HTAB, visible characters and obs-text, no other control (RFC 9110 §5.5)", () => {
  for (let code = 0; code < 256; code += 1) {
    const isAllowed = code === 9 || (code >= 32 && code !== 127);
    assert.equal(isAllOf(String.fromCharCode(code), FIELD_VALUE), isAllowed, String(code));
  }
});

test("tells where a class ends", () => {
  assert.equal(endOf("ab c", 0, TOKEN), 2);
  assert.equal(endOf("ab", 0, TOKEN), 2);
  assert.equal(endOf("ab c", 2, TOKEN), 2);
  assert.ok(!isAllOf("", TOKEN));
});

test("lists ignore empty members and SP and HTAB around them, nothing else (RFC 9110 §5.6.1)", () => {
  assert.deepEqual(listMembers("a, ,\tb\t,,c d"), ["a", "b", "c d"]);
  assert.deepEqual(listMembers(" , "), []);
  assert.deepEqual(listMembers("\xa0a\x85"), ["\xa0a\x85"]);
});

test("a list with more members than a reader wants is none, empty members counted", () => {
  assert.deepEqual(listMembers("a, ,b", 3), ["a", "b"]);
  assert.equal(listMembers("a,,b,", 3), null);
  assert.equal(listMembers(",".repeat(3), 3), null);
});

test("finds a member whatever its case, and no part of one", () => {
  for (const list of ["close", "CLOSE", "a, Close", "close\t,a", ",, close,", "aclose,close"])
    assert.ok(hasMember(list, "close"), list);
  for (const list of ["", ",", "closed", "a close", "clos,e", "aclose,closea", "c,l,o,s,e"])
    assert.ok(!hasMember(list, "close"), list);
});

test("trims in linear time", () => {
  const inner = `a${" ".repeat(2_000_000)}b`;
  assert.equal(trimBlanks(` ${inner}\t`), inner);
});
