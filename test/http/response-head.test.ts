// Heads of answers out of a worker's record: what is taken, what is a fault, and how faults read.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  MAX_RESPONSE_FIELDS,
  mayHaveBody,
  parseResponseHead,
  ResponseFault,
  responseHead,
} from "../../src/http/response-head.ts";

function faultOf(record: string, count: number): string {
  try {
    parseResponseHead(record, count);
  } catch (error) {
    assert.ok(error instanceof ResponseFault);
    return error.message;
  }
  return "";
}

test("reads status, reason and fields as they are", () => {
  const record = "404 Not  Found\0Content-Type\0text/plain\0X-E\0 caf\xe9\t";
  assert.deepEqual(parseResponseHead(record, 2), {
    status: 404,
    reason: "Not  Found",
    names: ["Content-Type", "X-E"],
    values: ["text/plain", " caf\xe9\t"],
    contentLength: null,
    hasDate: false,
    hasServer: false,
    closes: false,
  });
});

test("knows Content-Length, Date and Server whatever their case", () => {
  const head = parseResponseHead("200 OK\0content-LENGTH\x0010\0DATE\0x\0server\0y", 3);
  assert.equal(head.contentLength, 10);
  assert.ok(head.hasDate && head.hasServer);
});

test("gives the same object for the same record", () => {
  const record = "200 OK\0X\0same";
  assert.equal(
    parseResponseHead(record, 1),
    parseResponseHead(["200 OK", "X", "same"].join("\0"), 1),
  );
  for (let i = 0; i < 5000; i += 1) {
    parseResponseHead(`200 OK\0X\x00${i}`, 1);
    parseResponseHead(record, 1);
  }
  assert.equal(parseResponseHead(record, 1), parseResponseHead(record, 1));
});

test("a record that is known is still refused with a wrong count", () => {
  parseResponseHead("200 OK\0A\0b", 1);
  assert.match(faultOf("200 OK\0A\0b", 0), /NUL/);
  assert.match(faultOf("200 OK\0A\0b\0c", 1), /NUL/);
  assert.match(faultOf("200 OK", 1), /NUL/);
});

test("takes a status without a reason", () => {
  assert.equal(parseResponseHead("204", 0).reason, "");
  assert.equal(parseResponseHead("204 ", 0).reason, "");
});

test("refuses a status that is none", () => {
  for (const line of [
    "",
    "OK",
    "20 OK",
    "2000 OK",
    "200OK",
    " 200 OK",
    "100 Continue",
    "600 X",
    "199 X",
    "2e2 OK",
  ])
    assert.match(faultOf(line, 0), /^the status "/, line);
});

test("refuses control characters in reason, names and values, and quotes them escaped", () => {
  assert.match(faultOf("200 OK\r\nX: y", 0), /\\x0d\\x0aX: y/);
  assert.match(
    faultOf("200 OK\0X\0a\r\nSet-Cookie: b", 1),
    /value of X .*"a\\x0d\\x0aSet-Cookie: b"/,
  );
  for (const value of ["a\nb", "a\rb", "\x7f", "\x1b[31m", "\x0b"])
    assert.match(faultOf(`200 OK\0X\x00${value}`, 1), /control characters/);
  for (const name of ["", "X Y", "X:", "X\r\n", "é", '"'])
    assert.match(faultOf(`200 OK\x00${name}\0v`, 1), /is not a token$/);
  assert.ok(!faultOf(`200 OK\0X\n${"y".repeat(5000)}\0v`, 1).includes("\n"));
  assert.ok(faultOf(`200 OK\0X\n${"y".repeat(5000)}\0v`, 1).length < 200);
});

test("refuses fields of the connection (PEP 3333, RFC 9110 §7.6.1)", () => {
  for (const name of [
    "Connection",
    "keep-alive",
    "Transfer-Encoding",
    "TE",
    "Upgrade",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
  ])
    assert.match(faultOf(`200 OK\x00${name}\0x`, 1), /hop-by-hop/, name);
});

test("drops what an ASGI application says of the connection, and obeys a close", () => {
  const record =
    "200 OK\0Connection\0keep-alive\0X\0y\0transfer-encoding\0chunked\0Keep-Alive\0timeout=5";
  const head = parseResponseHead(record, 4, "drop");
  assert.deepEqual([head.names, head.values, head.closes], [["X"], ["y"], false]);
  assert.equal(parseResponseHead(record, 4, "drop"), head);
  assert.throws(() => parseResponseHead(record, 1, "drop"), /NUL/);
  // The other manner does not see it.
  assert.match(faultOf(record, 4), /hop-by-hop/);
  for (const value of ["close", "Close", "x, close", "close,x", "\tclose "])
    assert.ok(parseResponseHead(`200 OK\0connection\0${value}`, 1, "drop").closes, value);
  for (const value of ["closed", "keep-alive", "", "x-close", "close-x"])
    assert.ok(!parseResponseHead(`200 OK\0connection\0${value}`, 1, "drop").closes, value);
  for (const name of ["TE", "Upgrade", "Proxy-Authenticate", "Proxy-Connection"])
    assert.throws(() => parseResponseHead(`200 OK\x00${name}\0x`, 1, "drop"), /hop-by-hop/, name);
});

test("leaves the announcement of trailers to the application (RFC 9110 §6.6.2)", () => {
  assert.deepEqual(parseResponseHead("200 OK\0Trailer\0x-a", 1).names, ["Trailer"]);
});

test("refuses two Content-Lengths and one that is no number", () => {
  assert.match(
    faultOf("200 OK\0Content-Length\x005\0content-length\x005", 2),
    /two Content-Length/,
  );
  for (const value of ["", "-1", "+1", "1.0", "0x1", "1 ", "five", "99999999999999999999"])
    assert.match(faultOf(`200 OK\0Content-Length\x00${value}`, 1), /not a decimal number/, value);
});

test("refuses more fields than a client takes", () => {
  const fields = "\0X\0y".repeat(MAX_RESPONSE_FIELDS + 1);
  assert.match(faultOf(`200 OK${fields}`, MAX_RESPONSE_FIELDS + 1), /are more than/);
});

test("heads that the front makes are checked as well", () => {
  assert.throws(() => responseHead(200, "OK", [["X", "a\nb"]]), ResponseFault);
  assert.deepEqual(responseHead(200, "OK", [["Allow", "GET"]]).names, ["Allow"]);
});

test("HEAD, 204 and 304 have no body", () => {
  assert.ok(mayHaveBody("GET", 200) && mayHaveBody("POST", 404));
  assert.ok(!mayHaveBody("HEAD", 200) && !mayHaveBody("GET", 204) && !mayHaveBody("GET", 304));
});
