// Foreign text in log lines: no byte may end a line, a quoted word, or reach a terminal as a command.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import {
  escapeBytes,
  escapeLines,
  escapeText,
  escapeValue,
  jsonText,
} from "../../src/observe/escape.ts";

const ALL_BYTES = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");

describe("escapeBytes", () => {
  test("leaves plain text alone", () => {
    assert.equal(escapeBytes("/a?b=c d'~"), "/a?b=c d'~");
  });
  test("writes quote, backslash, controls and non-ASCII as \\xNN", () => {
    assert.equal(
      escapeBytes('"\\\r\n\0\x1b\x7f\xe9'),
      String.raw`\x22\x5c\x0d\x0a\x00\x1b\x7f\xe9`,
    );
  });
  test("all 256 bytes: only printable ASCII comes out, and it can be read back", () => {
    const escaped = escapeBytes(ALL_BYTES);
    assert.match(escaped, /^[\x20\x21\x23-\x7e]+$/);
    const back = escaped.replaceAll(/\\x([0-9a-f]{2})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
    assert.equal(back, ALL_BYTES);
  });
});

describe("escapeText", () => {
  test("keeps Unicode and tabs readable", () => {
    assert.equal(escapeText("größe\t→ 日本 🐍"), "größe\t→ 日本 🐍");
  });
  test("escapes line ends, terminal commands, separators, directions and half characters", () => {
    assert.equal(
      escapeText("a\r\n\x1b[2J\x9b\u2028\u202e\ud800\\n"),
      String.raw`a\x0d\x0a\x1b[2J\x9b\u{2028}\u{202e}\u{d800}\n`,
    );
  });
});

/** Controls, line and paragraph separators, invisible format characters and half characters: none is for a log. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Strings that are rich in such characters. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    fc.constantFrom(
      ...Array.from(
        '\n\r\t"\\\0\x1b\x7f\x85\x9b\u2028\u2029\u200e\u200f\u202a\u202e\u2066\u2069\u061c\ufeff\u200b\u200d\u00ad\u{e0041}é日',
      ),
    ),
  ),
});

describe("every text, of a client or an application", () => {
  const property = (name: string, check: (text: string) => void): void => {
    void test(name, () => fc.assert(fc.property(anyText, check), { numRuns: 1000 }));
  };

  property(
    "becomes a JSON line without invisible characters, and is read back unchanged",
    (text) => {
      const line = jsonText({ message: text, [text]: [text] });
      assert.doesNotMatch(line, INVISIBLE);
      assert.deepEqual(JSON.parse(line), { message: text, [text]: [text] });
    },
  );
  property("becomes a text line without invisible characters but the tab", (text) => {
    assert.doesNotMatch(escapeText(text).replaceAll("\t", ""), INVISIBLE);
  });
  property("becomes lines of which only the first may look like a record", (text) => {
    const [first = "", ...later] = escapeLines(text).replaceAll("\t", "").split("\n");
    for (const line of [first, ...later]) assert.doesNotMatch(line, INVISIBLE);
    for (const line of later) assert(line.startsWith("    | "));
  });
  property("becomes a field's value that ends at its quote", (text) => {
    const value = escapeValue(text);
    assert.doesNotMatch(value, INVISIBLE);
    assert.match(value, /^(?:[^\s"\\=]+|"[^"]*")$/);
  });
});

describe("escapeLines", () => {
  test("marks each later line, so that none looks like a record", () => {
    assert.equal(
      escapeLines("ValueError: x\n2026-11-21 09:30:01 INFO  forged\r\nlast\n"),
      "ValueError: x\n    | 2026-11-21 09:30:01 INFO  forged\n    | last",
    );
  });
  test("a line without an end stays as it is", () => assert.equal(escapeLines("a"), "a"));
});

describe("escapeValue", () => {
  test("a plain word is bare, everything else is quoted", () => {
    assert.equal(escapeValue("http://[::1]:8000"), "http://[::1]:8000");
    assert.equal(escapeValue(""), '""');
    assert.equal(escapeValue("a b"), '"a b"');
    assert.equal(escapeValue("a=b"), '"a=b"');
    assert.equal(escapeValue('x" level="error\t\n'), String.raw`"x\x22 level=\x22error\x09\x0a"`);
    assert.equal(escapeValue(String.raw`a\x22`), String.raw`"a\x5cx22"`);
  });
});
