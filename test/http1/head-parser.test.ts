// Heads of requests: each rule with the code and status of its refusal, whole and byte by byte.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  HAS_CODING,
  HAS_CONDITION,
  HAS_EXPECT,
  HAS_FORWARDED,
  HAS_MISTAKABLE,
  HAS_RANGE,
  HAS_REQUEST_ID,
} from "../../src/http/message.ts";
import { RequestFault } from "../../src/http/error.ts";
import { HeadParser, type HeadLimits } from "../../src/http1/head-parser.ts";
import { HeadReader } from "../../src/http1/head-reader.ts";
import { readBytewise, readWhole } from "../support/request-pieces.ts";

const parser = new HeadParser();

function refuses(text: string, code: string): void {
  assert.equal(readWhole(text).refusal, code, JSON.stringify(text.slice(0, 80)));
  assert.notEqual(readBytewise(text).refusal, "", JSON.stringify(text.slice(0, 80)));
}

function get(fields: string, version = "1.1"): string {
  return `GET / HTTP/${version}\r\n${fields}\r\n`;
}

test("reads a head with its fields in order", () => {
  const text =
    "POST /a?b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:\t2 \r\nContent-Length: 3\r\n\r\nabc";
  assert.deepEqual(parser.parse(text, 0), {
    method: "POST",
    target: "/a?b",
    path: "/a",
    query: "b",
    version: "1.1",
    names: ["host", "x-a", "x-a", "content-length"],
    values: ["a", "1", "2", "3"],
    fields: 0,
    bodyLength: 3,
    protocol: "",
  });
  assert.equal(parser.end, text.length - 3);
});

test("gives null for every beginning of a head", () => {
  const text = "GET /a HTTP/1.1\r\nHost: a\r\nX: y z\r\nE:\r\n\r\n";
  for (let end = 1; end < text.length; end += 1)
    assert.equal(parser.parse(text.slice(0, end), 0), null, String(end));
  assert.notEqual(parser.parse(text, 0), null);
});

test("refuses request lines that are not three words (RFC 9112 §3)", () => {
  refuses("GET /\r\n\r\n", "REQUEST_LINE_INVALID");
  refuses("GET\r\nHost: a\r\n\r\n", "METHOD_INVALID");
  refuses("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "TARGET_INVALID");
  refuses("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "VERSION_INVALID");
  refuses("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "VERSION_INVALID");
  refuses(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "METHOD_INVALID");
  refuses("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "METHOD_INVALID");
  refuses("\x16\x03\x01\x02\x00\x01", "METHOD_INVALID");
});

test("refuses versions: 400 for what is none, 505 for others (RFC 9110 §15.6.6)", () => {
  for (const version of [
    "HTTP/1",
    "HTTP/1.",
    "http/1.1",
    "HTTP/1.1x",
    "HTTP/01.1",
    "HTTP/1.10",
    "XTTP/1.1",
    "HTTP /1.1",
  ])
    refuses(`GET / ${version}\r\nHost: a\r\n\r\n`, "VERSION_INVALID");
  for (const version of ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0"])
    refuses(`GET / ${version}\r\nHost: a\r\n\r\n`, "VERSION_UNSUPPORTED");
  assert.equal(parser.parse(get("Host: a\r\n", "1.9"), 0)?.version, "1.1");
});

test("refuses CR and LF that are no CRLF, wherever they stand (RFC 9112 §2.2)", () => {
  for (const text of [
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\n",
    "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n",
    "GET / HTTP/1.1\r\n\rHost: a\r\n\r\n",
    "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  ]) {
    assert.equal(readWhole(text).status, 400, JSON.stringify(text));
    assert.equal(readBytewise(text).status, 400, JSON.stringify(text));
  }
});

test("refuses field lines that do not begin with a name and a colon (RFC 9112 §5.1)", () => {
  for (const line of [
    "X : y",
    "X\t: y",
    ": y",
    "X",
    "X y: z",
    "X(: y",
    "\x00X: y",
    "X\xa0: y",
    "X;: y",
  ])
    refuses(get(`Host: a\r\n${line}\r\n`), "FIELD_NAME_INVALID");
  for (const line of [" X: y", "\tX: y", " ", " \t "])
    refuses(get(`Host: a\r\n${line}\r\n`), "FIELD_FOLDED");
  refuses(get(" X: y\r\nHost: a\r\n"), "FIELD_FOLDED");
});

test("refuses control characters in values and takes all else (RFC 9110 §5.5)", () => {
  for (const character of ["\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x7f"])
    refuses(get(`Host: a\r\nX: a${character}b\r\n`), "FIELD_VALUE_INVALID");
  const head = parser.parse(get("Host: a\r\nX: \t a\t\x80\xff:; \t\r\nY:\r\n"), 0);
  assert.deepEqual(head?.values, ["a", "a\t\x80\xff:;", ""]);
});

test("needs one valid Host in 1.1; in 1.0 none or one (RFC 9112 §3.2)", () => {
  refuses(get(""), "HOST_MISSING");
  refuses(get("Host:\r\n"), "HOST_INVALID");
  refuses(get("Host:\r\n", "1.0"), "HOST_INVALID");
  refuses(get("Host: a\r\nHost: a\r\n"), "FIELD_REPEATED");
  refuses(get("Host: a\r\nhost: a\r\n", "1.0"), "FIELD_REPEATED");
  refuses("GET http://a/ HTTP/1.1\r\n\r\n", "HOST_MISSING");
  refuses("GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n", "HOST_INVALID");
  assert.deepEqual(parser.parse(get("", "1.0"), 0)?.names, []);
});

test("an absolute target's authority replaces Host (RFC 9112 §3.2.2)", () => {
  const head = parser.parse("GET http://b:1/x HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n", 0);
  assert.deepEqual(head?.values, ["y", "b:1"]);
  assert.equal(head?.target, "http://b:1/x");
  const old = parser.parse("GET http://b/x HTTP/1.0\r\n\r\n", 0);
  assert.deepEqual([old?.names, old?.values], [["host"], ["b"]]);
});

test("refuses a second line of fields that may stand once", () => {
  for (const name of [
    "Content-Type",
    "Authorization",
    "Content-Length",
    "Range",
    "If-Modified-Since",
    "Max-Forwards",
    "Origin",
  ])
    refuses(get(`Host: a\r\n${name}: 0\r\n${name.toLowerCase()}: 0\r\n`), "FIELD_REPEATED");
  for (const name of ["Cookie", "Accept", "X-Forwarded-For", "User-Agent", "Expect"])
    assert.equal(readWhole(get(`Host: a\r\n${name}: 1\r\n${name}: 2\r\n`)).refusal, "", name);
});

test("counts no connection as persistent that says close or is 1.0 without keep-alive", () => {
  const cases: [string, string, boolean][] = [
    ["1.1", "", true],
    ["1.1", "Connection: close\r\n", false],
    ["1.1", "Connection: CLOSE\r\n", false],
    ["1.1", "Connection: x, ,close ,y\r\n", false],
    ["1.1", "Connection: x\r\nConnection: close\r\n", false],
    ["1.1", "Connection: keep-alive, close\r\n", false],
    ["1.1", "Connection: closed\r\n", true],
    ["1.1", "Connection: \xa0close\r\n", true],
    ["1.0", "", false],
    ["1.0", "Connection: Keep-Alive\r\n", true],
    ["1.0", "Connection: keep-alive, close\r\n", false],
    ["1.2", "", true],
  ];
  for (const [version, fields, isPersistent] of cases) {
    assert.notEqual(parser.parse(get(`Host: a\r\n${fields}`, version), 0), null);
    assert.equal(parser.isPersistent, isPersistent, `${version} ${fields}`);
  }
});

test("awaits 100 Continue only in 1.1 and with a body (RFC 9110 §10.1.1)", () => {
  const awaits = (version: string, fields: string): boolean => {
    parser.parse(get(`Host: a\r\n${fields}`, version), 0);
    return parser.awaitsContinue;
  };
  assert.ok(awaits("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n"));
  assert.ok(awaits("1.1", "Expect: x, 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  assert.ok(!awaits("1.1", "Expect: 100-continue\r\n"));
  assert.ok(!awaits("1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n"));
  assert.ok(!awaits("1.1", "Expect: 200-ok\r\nContent-Length: 1\r\n"));
  assert.ok(!awaits("1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n"));
});

test("marks fields that somebody must look at", () => {
  const bits = (fields: string): number | undefined =>
    parser.parse(get(`Host: a\r\n${fields}`), 0)?.fields;
  assert.equal(bits("X-Forwarded-For: 1\r\nForwarded: for=1\r\n"), HAS_FORWARDED);
  assert.equal(bits("X-Request-ID: 1\r\n"), HAS_REQUEST_ID);
  assert.equal(bits("Upgrade: x\r\nExpect: y\r\n"), HAS_EXPECT);
  assert.equal(bits("X_A: 1\r\n"), HAS_MISTAKABLE);
  assert.equal(bits("Proxy: 1\r\n"), HAS_MISTAKABLE);
  for (const name of ["Match", "None-Match", "Modified-Since", "Unmodified-Since"])
    assert.equal(bits(`If-${name}: 1\r\n`), HAS_CONDITION);
  assert.equal(bits("Range: bytes=0-1\r\nIf-Range: 1\r\n"), HAS_RANGE);
  assert.equal(bits("Accept-Encoding: gzip\r\n"), HAS_CODING);
  assert.equal(bits("X-A: 1_0\r\n"), 0);
});

test("reads the protocol to which the client wants to switch (RFC 9110 §7.8)", () => {
  const protocol = (fields: string, version = "1.1"): string | undefined =>
    parser.parse(get(`Host: a\r\n${fields}`, version), 0)?.protocol;
  const both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  assert.equal(protocol(both), "websocket");
  assert.equal(
    protocol("Connection: x\r\nUpgrade: a\r\nUPGRADE: WebSocket, b\r\nconnection: UPGRADE\r\n"),
    "websocket",
  );
  assert.equal(protocol(both, "1.0"), "");
  assert.equal(protocol("Upgrade: websocket\r\n"), "");
  assert.equal(protocol("Upgrade: websocket\r\nConnection: keep-alive\r\n"), "");
  assert.equal(protocol("Upgrade: h2c\r\nConnection: Upgrade\r\n"), "");
  assert.equal(protocol(""), "");
});

test("a target in absolute form has the scheme of the connection (RFC 9110 §7.4)", () => {
  const read = (target: string, scheme?: "https"): string | undefined =>
    parser.parse(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 0, scheme)?.path;
  assert.equal(read("HTTP://a/b"), "/b");
  assert.equal(read("https://a/b", "https"), "/b");
  for (const [target, scheme] of [["https://a/b"], ["http://a/b", "https"]] as const)
    assert.throws(() => read(target, scheme), /TARGET_SCHEME/);
});

test("limits the request line to 8,192 bytes → 414 (RFC 9112 §3)", () => {
  const line = (length: number): string => `GET /${"x".repeat(length - 14)} HTTP/1.1`;
  for (const read of [readWhole, readBytewise]) {
    assert.equal(read(`${line(8192)}\r\nHost: a\r\n\r\n`).refusal, "");
    assert.equal(read(`${line(8193)}\r\nHost: a\r\n\r\n`).refusal, "TARGET_TOO_LONG");
    assert.equal(read(`${line(70_000)}\r\nHost: a\r\n\r\n`).status, 414);
    assert.equal(read(`GET /${"x".repeat(8192)}`).status, 414);
  }
});

test("limits the method → 501, also where no space ever comes", () => {
  for (const read of [readWhole, readBytewise]) {
    assert.equal(read(`${"M".repeat(128)} / HTTP/1.1\r\nHost: a\r\n\r\n`).refusal, "");
    assert.equal(
      read(`${"M".repeat(129)} / HTTP/1.1\r\nHost: a\r\n\r\n`).refusal,
      "METHOD_TOO_LONG",
    );
    assert.equal(read("M".repeat(8193)).refusal, "METHOD_TOO_LONG");
  }
});

test("limits the head to 32,768 bytes and 100 fields → 431", () => {
  const start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const head = (length: number): string =>
    `${start}${"y".repeat(length - start.length - 4)}\r\n\r\n`;
  const many = (count: number): string => get(`Host: a\r\n${"X: y\r\n".repeat(count - 1)}`);
  for (const read of [readWhole, readBytewise]) {
    assert.equal(read(head(32_768)).refusal, "");
    assert.equal(read(head(32_769)).refusal, "HEAD_TOO_LARGE");
    assert.equal(read(head(60_000).slice(0, 40_000)).refusal, "HEAD_TOO_LARGE");
    assert.equal(read(many(100)).refusal, "");
    assert.equal(read(many(101)).refusal, "TOO_MANY_FIELDS");
  }
});

test("options change both limits, however the head is cut", () => {
  const small = { lineBytes: 300, headBytes: 1000 };
  const large = { lineBytes: 50_000, headBytes: 200_000 };
  const verdict = (limits: HeadLimits, pieces: readonly string[]): string => {
    const heads = new HeadReader(new HeadParser(limits));
    try {
      const read = pieces.map((piece) => heads.read(Buffer.from(piece, "latin1"), 0));
      return read.at(-1) === null ? "incomplete" : "read";
    } catch (error) {
      assert.ok(error instanceof RequestFault);
      return error.error.code;
    }
  };
  const withLine = (bytes: number): string =>
    `GET /${"x".repeat(bytes - 14)} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const withHead = (bytes: number): string => {
    const start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    return `${start}${"y".repeat(bytes - start.length - 4)}\r\n\r\n`;
  };
  for (const limits of [small, large])
    for (const cut of [0, 1, 200]) {
      const read = (text: string): string =>
        verdict(
          limits,
          [text.slice(0, cut), text.slice(cut)].filter((piece) => piece !== ""),
        );
      assert.equal(read(withLine(limits.lineBytes)), "read");
      assert.equal(read(withLine(limits.lineBytes + 1)), "TARGET_TOO_LONG");
      assert.equal(read(withHead(limits.headBytes)), "read");
      assert.equal(read(withHead(limits.headBytes + 1)), "HEAD_TOO_LARGE");
    }
});

test("CONNECT is refused: this is no proxy", () => {
  refuses("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "METHOD_CONNECT");
  refuses("CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", "METHOD_CONNECT");
});
