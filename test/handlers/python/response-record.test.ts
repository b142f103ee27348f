// Records of a worker about a response: which are taken, which are a fault, and how faults read.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  parseEarlyHint,
  parseResponseHead,
  parseTrailers,
  splitRecord,
} from "../../../src/handlers/python/response-record.ts";
import { MAX_RESPONSE_FIELDS, ResponseFault } from "../../../src/http/response-head.ts";

type Parse = (record: string, count: number) => unknown;

const hint = (...parts: readonly string[]): string => ["103 Early Hints", ...parts].join("\0");

function faultOf(record: string, count: number, parse: Parse = parseResponseHead): string {
  try {
    parse(record, count);
  } catch (error) {
    assert.ok(error instanceof ResponseFault);
    return error.message;
  }
  return "";
}

test("reads status, reason and fields as they are, but for blanks around a value", () => {
  const record = "404 Not  Found\0Content-Type\0text/plain\0X-E\0 caf\xe9\t";
  assert.deepEqual(parseResponseHead(record, 2), {
    status: 404,
    reason: "Not  Found",
    names: ["Content-Type", "X-E"],
    values: ["text/plain", "caf\xe9"],
    contentLength: null,
    hasDate: false,
    hasServer: false,
    hasRequestId: false,
    hasHsts: false,
    hasOrders: false,
    requestId: "",
    connection: "",
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
    "Transfer-Encoding",
    "TE",
    "Upgrade",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
  ])
    assert.match(faultOf(`200 OK\x00${name}\0x`, 1), /hop-by-hop/, name);
});

test("drops fields of the connection of a WSGI application that change nothing", () => {
  for (const [name, value] of [
    ["Connection", "keep-alive"],
    ["connection", "Close"],
    ["CONNECTION", "close , Keep-Alive"],
    ["Keep-Alive", "timeout=5"],
  ] as const) {
    const head = parseResponseHead(`200 OK\x00${name}\x00${value}\0X\0y`, 2);
    assert.deepEqual(head.names, ["X"]);
    assert.equal(head.connection, name === "Keep-Alive" ? "" : value);
  }
  for (const value of ["upgrade", "close, x-a", "keep-alive, Upgrade", "keep\r\nalive", "close;"])
    assert.match(faultOf(`200 OK\0Connection\x00${value}`, 1), /hop-by-hop/, value);
  for (const value of ["chunked", "gzip, chunked", "identity"])
    assert.match(faultOf(`200 OK\0Transfer-Encoding\x00${value}`, 1), /hop-by-hop/, value);
});

test("drops what an ASGI application says of the connection, and keeps Connection for the engine", () => {
  const record =
    "200 OK\0Connection\0keep-alive\0X\0y\0transfer-encoding\0chunked\0Keep-Alive\0timeout=5";
  const head = parseResponseHead(record, 4, "any");
  assert.deepEqual([head.names, head.values, head.connection], [["X"], ["y"], "keep-alive"]);
  assert.equal(parseResponseHead(record, 4, "any"), head);
  assert.throws(() => parseResponseHead(record, 1, "any"), /NUL/);
  // The other manner does not see it: chunks may have been written by the application itself.
  assert.match(faultOf(record, 4), /hop-by-hop/);
  const two = parseResponseHead("200 OK\0connection\0x\0CONNECTION\0close", 2, "any");
  assert.equal(two.connection, "x,close");
  for (const name of ["TE", "Upgrade", "Proxy-Authenticate", "Proxy-Connection"])
    assert.throws(() => parseResponseHead(`200 OK\x00${name}\0x`, 1, "any"), /hop-by-hop/, name);
});

test("leaves the announcement of trailers to the application (RFC 9110 §6.6.2)", () => {
  assert.deepEqual(parseResponseHead("200 OK\0Trailer\0x-a", 1).names, ["Trailer"]);
});

test("refuses two Content-Lengths and one that is no number", () => {
  assert.match(
    faultOf("200 OK\0Content-Length\x005\0content-length\x005", 2),
    /two Content-Length/,
  );
  for (const value of ["", "-1", "+1", "1.0", "0x1", "1 2", "five", "99999999999999999999"])
    assert.match(faultOf(`200 OK\0Content-Length\x00${value}`, 1), /not a decimal number/, value);
});

test("refuses more fields than a client takes", () => {
  const fields = "\0X\0y".repeat(MAX_RESPONSE_FIELDS + 1);
  assert.match(faultOf(`200 OK${fields}`, MAX_RESPONSE_FIELDS + 1), /are more than/);
});

test("reads early hints", () => {
  assert.deepEqual(parseEarlyHint(hint("link", "</a.css>; rel=preload", "link", "</b>"), 2), {
    names: ["link", "link"],
    values: ["</a.css>; rel=preload", "</b>"],
  });
  assert.deepEqual(parseEarlyHint(hint(), 0), { names: [], values: [] });
});

test("an early hint is 103 and says nothing of a body", () => {
  for (const status of ["100 Continue", "103", "200 OK", "101 Switching Protocols"])
    assert.match(faultOf(`${status}\0link\0</a>`, 1, parseEarlyHint), /103/);
  assert.match(faultOf(hint("Content-Length", "5"), 1, parseEarlyHint), /no body/);
});

test("reads trailers, and none", () => {
  const trailers = parseTrailers("X-Sum\x00abc\0Server-Timing\0", 2);
  assert.deepEqual(trailers, { names: ["X-Sum", "Server-Timing"], values: ["abc", ""] });
  assert.deepEqual(parseTrailers("", 0), { names: [], values: [] });
});

test("what could bend a message is a fault in hints and trailers", () => {
  for (const [name, value, fault] of [
    ["x a", "1", /is not a token/],
    ["", "1", /is not a token/],
    ["x-a:", "1", /is not a token/],
    ["x-a", "1\r\nx-b: 2", /control characters/],
    ["x-a", "1\n", /control characters/],
    ["connection", "close", /hop-by-hop/],
    ["Transfer-Encoding", "chunked", /hop-by-hop/],
    ["upgrade", "h2c", /hop-by-hop/],
  ] as const) {
    assert.match(faultOf(hint(name, value), 1, parseEarlyHint), fault, name);
    assert.match(faultOf(`${name}\0${value}`, 1, parseTrailers), fault, name);
  }
});

test("a NUL in a name or a value is a fault, and so is another count", () => {
  for (const count of [0, 2, 3]) {
    assert.match(faultOf(hint("a", "b"), count, parseEarlyHint), /NUL/);
    assert.match(faultOf("a\0b", count, parseTrailers), /NUL/);
    assert.match(faultOf("chat\0a\0b", count, splitRecord), /NUL/);
  }
  assert.match(faultOf("a\0b\0c", 1, parseTrailers), /NUL/);
  assert.match(faultOf("", 1, parseTrailers), /NUL/);
});

test("splits what stands before the fields from them", () => {
  assert.deepEqual(splitRecord("chat\0a\0b\0c\0", 2), {
    first: "chat",
    names: ["a", "c"],
    values: ["b", ""],
  });
  assert.deepEqual(splitRecord("", 0), { first: "", names: [], values: [] });
});
