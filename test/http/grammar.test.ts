// Character classes and lists.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  endOf,
  FIELD_VALUE,
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

test("trims in linear time", () => {
  const inner = `a${" ".repeat(2_000_000)}b`;
  assert.equal(trimBlanks(` ${inner}\t`), inner);
});
