// Readers of single values, at their edges.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  listOf,
  readAssignment,
  readNetwork,
  readPrefix,
  readSize,
  seconds,
  wholeNumber,
} from "../../src/config/values.ts";

describe("readSize", () => {
  for (const [text, bytes] of [
    ["0", 0],
    ["65536", 65_536],
    ["1k", 1024],
    ["1K", 1024],
    ["10m", 10_485_760],
    ["1.5G", 1_610_612_736],
    ["2T", 2_199_023_255_552],
  ] as const)
    test(`${text} = ${bytes}`, () => assert.equal(readSize(text), bytes));
  for (const text of ["", "k", "1 k", "1e3", "0x10", "-1", "1kB", "9".repeat(20), "1.k", "∞"])
    test(`refuses '${text}'`, () => assert.throws(() => readSize(text), /must be a size/));
});

describe("seconds", () => {
  test("reads fractions as milliseconds", () => {
    assert.equal(seconds(0)("0.0015"), 2);
    assert.equal(seconds(0)("30."), 30_000);
  });
  for (const text of ["", ".", "1s", "-0", "+1", "Infinity", "NaN", "86401"])
    test(`refuses '${text}'`, () => assert.throws(() => seconds(0)(text), /number of seconds/));
});

describe("wholeNumber", () => {
  test("holds its bounds", () => {
    assert.equal(wholeNumber(1, 3)("3"), 3);
    assert.equal(wholeNumber(1, 3)("01"), 1);
    for (const text of ["0", "4", "", " 2", "2.0", "٢"])
      assert.throws(() => wholeNumber(1, 3)(text), /from 1 to 3/);
  });
});

describe("readNetwork", () => {
  for (const text of ["127.0.0.1", "::1", "10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/128", "*"])
    test(`takes ${text}`, () => assert.equal(readNetwork(text), text));
  for (const text of [
    "",
    "10.0.0/8",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "::1/129",
    "fe80::1%eth0",
    "host",
  ])
    test(`refuses '${text}'`, () => assert.throws(() => readNetwork(text), /is none/));
  test("in a list an empty word is refused, an empty list is not", () => {
    assert.throws(() => listOf(readNetwork)("::1,,*"), /'' is none/);
    assert.deepEqual(listOf(readNetwork)(" "), []);
  });
});

describe("readAssignment", () => {
  test("keeps everything after the first =", () =>
    assert.deepEqual(readAssignment("_A1== b\n"), ["_A1", "= b\n"]));
  for (const text of ["", "A", "=b", "1A=b", "A B=c", "A=\0"])
    test(`refuses '${text.replace("\0", "NUL")}'`, () =>
      assert.throws(() => readAssignment(text), /must be NAME=VALUE/));
});

describe("readPrefix", () => {
  for (const [text, prefix] of [
    ["", ""],
    ["/", ""],
    ["/a/b//", "/a/b"],
  ] as const)
    test(`'${text}' is '${prefix}'`, () => assert.equal(readPrefix(text), prefix));
  for (const text of ["a", "/a//b", "/a b", "/a?b", "/a#", "/a\n"])
    test(`refuses ${JSON.stringify(text)}`, () =>
      assert.throws(() => readPrefix(text), /begins with \//));
});
