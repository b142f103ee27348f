// The chunked coding (RFC 9112 §7.1): data, extensions, trailers, and their limits, at every cut.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestFault } from "../../src/http/error.ts";
import { ChunkedDecoder } from "../../src/http1/chunked.ts";

interface Decoded {
  readonly body: string;
  readonly rest: string;
  readonly isDone: boolean;
  readonly code: string;
}

function decode(pieces: readonly string[], maxBytes = 100_000): Decoded {
  const decoder = new ChunkedDecoder(maxBytes);
  let body = "";
  let rest = "";
  try {
    for (const piece of pieces) {
      const buffer = Buffer.from(piece, "latin1");
      body += decoder.decode(buffer, 0).toString("latin1");
      rest += buffer.toString("latin1", decoder.end);
    }
  } catch (error) {
    assert.ok(error instanceof RequestFault);
    return { body, rest, isDone: false, code: error.error.code };
  }
  return { body, rest, isDone: decoder.isDone, code: "" };
}

function bothWays(text: string, maxBytes?: number): Decoded {
  const whole = decode([text], maxBytes);
  const bytes = decode(text.split(""), maxBytes);
  assert.equal(bytes.isDone, whole.isDone, JSON.stringify(text.slice(0, 60)));
  assert.equal(bytes.code === "", whole.code === "", JSON.stringify(text.slice(0, 60)));
  return whole;
}

test("decodes at every cut and leaves what follows", () => {
  const text = "5;a=b\r\nhello\r\n1\r\n \r\n0A\r\n0123456789\r\n000\r\nX-T: y\r\n\r\n";
  for (let cut = 0; cut < text.length; cut += 1) {
    const decoded = decode([text.slice(0, cut), `${text.slice(cut)}GET`]);
    assert.deepEqual(decoded, { body: "hello 0123456789", rest: "GET", isDone: true, code: "" });
  }
});

test("gives the data of all chunks of one read at once", () => {
  const decoder = new ChunkedDecoder(100);
  const buffer = Buffer.from("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n2\r\nd", "latin1");
  const bytes = decoder.decode(buffer, 0);
  assert.equal(bytes.toString("latin1"), "abcd");
  assert.equal(decoder.end, buffer.length);
});

test("refuses sizes that are not hexadecimal digits", () => {
  for (const size of [
    "",
    " 5",
    "\t5",
    "0x5",
    "+5",
    "-5",
    "1_0",
    "\xb2",
    "5g",
    "5.0",
    "5,5",
    "5:",
    "5\x00",
  ])
    assert.equal(bothWays(`${size}\r\nhello\r\n0\r\n\r\n`).code, "CHUNK_SIZE_INVALID", size);
  for (const size of ["5 ", "5\t"])
    assert.equal(bothWays(`${size}\r\nhello\r\n0\r\n\r\n`).code, "CHUNK_EXTENSION_INVALID", size);
});

test("refuses sizes beyond the limit and beyond any number", () => {
  for (const size of [
    "6",
    "FFFFFFFFFFFFFFFF",
    "FFFFFFFFFFFFFFFF0",
    "10000000000000005",
    "f".repeat(32),
  ])
    assert.equal(bothWays(`${size}\r\n`, 5).code, "BODY_TOO_LARGE", size);
  assert.equal(bothWays("3\r\nabc\r\n3\r\n", 5).code, "BODY_TOO_LARGE");
  assert.equal(bothWays("5\r\nhello\r\n0\r\n\r\n", 5).body, "hello");
  assert.equal(bothWays(`${"0".repeat(32)}5\r\n`).code, "CHUNK_SIZE_INVALID");
  assert.ok(bothWays(`${"0".repeat(31)}5\r\nhello\r\n0\r\n\r\n`).isDone);
});

test("the data must end with CRLF", () => {
  for (const end of ["XX", "\r\r", "\n", "\rX", "\n\r", "0\r\n"])
    assert.equal(
      bothWays(`5\r\nhello${end}0\r\n\r\n`).code,
      "CHUNK_END_INVALID",
      JSON.stringify(end),
    );
});

test("lines must end with CRLF", () => {
  for (const text of [
    "5\nhello\r\n0\r\n\r\n",
    "5\r\rhello",
    "5\rhello\r\n",
    "0\r\n\n",
    "0\r\n\rX",
    "0\r\nX: y\n\r\n",
    "0\r\nX: a\rb\r\n\r\n",
  ])
    assert.equal(bothWays(text).code, "LINE_END_INVALID", JSON.stringify(text));
});

test("takes extensions by their grammar, with blanks around them (RFC 9112 §7.1.1)", () => {
  for (const extension of [
    ";a",
    ";a=b",
    ";a=b;c",
    ' ; a = "b" ',
    ';a="x;y=\\"é\\\\\\""',
    ';a=""',
    "\t;a\t=\tb",
    ";a=b ;c=d",
  ]) {
    const isTrailing = extension.endsWith(" ");
    assert.equal(bothWays(`5${extension}\r\nhello\r\n0\r\n\r\n`).isDone, !isTrailing, extension);
  }
  for (const extension of [
    ";",
    ";;",
    ";=x",
    ";a=",
    ";bad[=x",
    ';a="b',
    ';a="b\\',
    ';a="b"c',
    ";a b",
    ";a=b c",
    ";a==b",
    ';a="\x01"',
    " a",
  ])
    assert.equal(
      bothWays(`5${extension}\r\nhello\r\n0\r\n\r\n`).code,
      "CHUNK_EXTENSION_INVALID",
      extension,
    );
});

test("limits extensions to 4,096 bytes a request", () => {
  const chunk = (bytes: number): string => `1;${"x".repeat(bytes - 1)}\r\na\r\n`;
  assert.ok(bothWays(`${chunk(4096)}0\r\n\r\n`).isDone);
  assert.equal(bothWays(`${chunk(4097)}0\r\n\r\n`).code, "CHUNK_EXTENSIONS_TOO_LARGE");
  assert.equal(bothWays(`${chunk(100).repeat(41)}0\r\n\r\n`).code, "CHUNK_EXTENSIONS_TOO_LARGE");
  assert.equal(bothWays(`5;a=${"x".repeat(100_000)}`).code, "CHUNK_EXTENSIONS_TOO_LARGE");
});

test("checks trailers like fields and drops them", () => {
  assert.ok(bothWays("0\r\nX-T: y\r\nETag: \xff\r\n\r\n").isDone);
  const codes: [string, string][] = [
    ["NoColon", "FIELD_NAME_INVALID"],
    ["X : y", "FIELD_NAME_INVALID"],
    [": y", "FIELD_NAME_INVALID"],
    ["GET /evil HTTP/1.1", "FIELD_NAME_INVALID"],
    [" X: y", "FIELD_FOLDED"],
    ["X: \x00", "FIELD_VALUE_INVALID"],
    ["Content-Length: 5", "FIELD_FORBIDDEN_IN_TRAILER"],
    ["Transfer-Encoding: chunked", "FIELD_FORBIDDEN_IN_TRAILER"],
    ["HOST: a", "FIELD_FORBIDDEN_IN_TRAILER"],
    ["Authorization: x", "FIELD_FORBIDDEN_IN_TRAILER"],
    ["Connection: close", "FIELD_FORBIDDEN_IN_TRAILER"],
  ];
  for (const [line, code] of codes) assert.equal(bothWays(`0\r\n${line}\r\n\r\n`).code, code, line);
});

test("limits trailers like a head → 431", () => {
  assert.equal(bothWays(`0\r\n${"X: y\r\n".repeat(101)}\r\n`).code, "TOO_MANY_FIELDS");
  assert.equal(
    bothWays(`0\r\n${`X: ${"y".repeat(1000)}\r\n`.repeat(40)}\r\n`).code,
    "HEAD_TOO_LARGE",
  );
  assert.equal(bothWays(`0\r\nX: ${"y".repeat(40_000)}`).code, "HEAD_TOO_LARGE");
});
