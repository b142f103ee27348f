// Heads in pieces: the same end wherever they are cut, early refusals, and no second look at a byte.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestFault } from "../../src/http/error.ts";
import { HeadParser } from "../../src/http1/head-parser.ts";
import { HeadReader, PartialHead } from "../../src/http1/head-reader.ts";
import { MAX_LEADING_BYTES } from "../../src/http1/limits.ts";

const HEAD = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Pushes text into a head that is in pieces. */
function push(partial: PartialHead, text: string): number {
  return partial.push(Buffer.from(text, "latin1"));
}

function codeOf(pieces: readonly string[]): string {
  const partial = new PartialHead();
  try {
    for (const piece of pieces) push(partial, piece);
  } catch (error) {
    assert.ok(error instanceof RequestFault);
    return error.error.code;
  }
  return "";
}

test("finds the end at every cut and leaves what follows", () => {
  for (let cut = 0; cut < HEAD.length; cut += 1) {
    const partial = new PartialHead();
    assert.equal(push(partial, HEAD.slice(0, cut)), -1);
    assert.equal(push(partial, `${HEAD.slice(cut)}GET /2`), HEAD.length - cut);
    assert.equal(partial.text, HEAD);
  }
});

test("drops empty lines before the request, up to a limit (RFC 9112 §2.2)", () => {
  const partial = new PartialHead();
  for (const byte of `\r\n\r\n${HEAD}`.slice(0, -1)) assert.equal(push(partial, byte), -1);
  assert.equal(push(partial, "\n"), 1);
  assert.equal(partial.text, HEAD);
  assert.equal(codeOf(["\r\n".repeat(2000)]), "REQUEST_LINE_INVALID");
});

for (const size of [1, 2, 3, 512, 1_000_000])
  test(`has one limit for empty lines, read ${size} bytes at a time, and counts anew for each head`, () => {
    const feed = (lines: number): string => {
      const reader = new HeadReader(new HeadParser());
      const bytes = Buffer.from(`${"\r\n".repeat(lines)}${HEAD}`.repeat(2));
      let heads = 0;
      try {
        for (let from = 0; from < bytes.length; from += size) {
          const chunk = bytes.subarray(from, from + size);
          let at = 0;
          while (at < chunk.length) {
            const head = reader.read(chunk, at);
            heads += head === null ? 0 : 1;
            at = head === null ? chunk.length : reader.end;
          }
        }
      } catch (error) {
        assert.ok(error instanceof RequestFault);
        return error.error.code;
      }
      return `${heads} heads`;
    };
    assert.equal(feed(MAX_LEADING_BYTES / 2), "2 heads");
    assert.equal(feed(MAX_LEADING_BYTES / 2 + 1), "REQUEST_LINE_INVALID");
    assert.equal(feed(100_000), "REQUEST_LINE_INVALID");
  });

test("is blank while nothing but empty lines has come", () => {
  const partial = new PartialHead();
  push(partial, "\r\n");
  assert.ok(partial.isBlank);
  push(partial, "\r");
  assert.ok(!partial.isBlank);
  push(partial, "\n");
  assert.ok(partial.isBlank);
  push(partial, "G");
  assert.ok(!partial.isBlank);
});

test("refuses at once what no further byte can make right", () => {
  assert.equal(codeOf(["GET / HTTP/1.1\r", "X"]), "LINE_END_INVALID");
  assert.equal(codeOf(["GET / HTTP/1.1\n"]), "LINE_END_INVALID");
  assert.equal(codeOf(["\x16"]), "METHOD_INVALID");
  assert.equal(codeOf(["G".repeat(8192), "G"]), "METHOD_TOO_LONG");
  assert.equal(codeOf(["GET /", "x".repeat(8192)]), "TARGET_TOO_LONG");
  assert.equal(codeOf([`GET / HTTP/1.1\r\n${"X:\r\n".repeat(101)}`]), "TOO_MANY_FIELDS");
});
