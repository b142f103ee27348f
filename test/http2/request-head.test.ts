// The head of a request from its fields: what RFC 9113 calls malformed, what HTTP/1.1 refuses, and fields at random.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { RequestFault } from "../../src/http/error.ts";
import { HAS_RANGE, type RequestHead } from "../../src/http/message.ts";
import { headerField } from "../../src/http2/hpack-tables.ts";
import { checkTrailers, MalformedRequest, readHead } from "../../src/http2/request-head.ts";
import { HeadParser } from "../../src/http1/head-parser.ts";
import { readCases, wholeText } from "../support/http1-cases.ts";
import type { Field } from "./frame-client.ts";

const BASE: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/a?b"],
  [":authority", "example.com"],
];

interface Given {
  readonly isLast?: boolean;
  readonly scheme?: "http" | "https";
}

function read(fields: readonly Field[], { isLast = true, scheme = "https" }: Given = {}) {
  const list = fields.map(([name, value]) => headerField(name, value));
  return readHead(list, isLast, { scheme, lineBytes: 8192 });
}

const head = (fields: readonly Field[], given?: Given): RequestHead => read(fields, given).head;
const withField = (name: string, value: string): Field[] => [...BASE, [name, value]];
/** The pseudo-header fields, some replaced; undefined: left out. */
const pseudo = (changes: Record<string, string | undefined>): Field[] =>
  Object.entries({ ...Object.fromEntries(BASE), ...changes }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );

function fault(fields: readonly Field[], given?: Given): string {
  try {
    read(fields, given);
  } catch (error) {
    assert.ok(error instanceof RequestFault);
    return `${error instanceof MalformedRequest ? "malformed " : ""}${error.error.code}`;
  }
  return "none";
}

test("has method, path, query and host, and no field twice", () => {
  const { method, target, path, query, version, names, values, bodyLength, protocol } = head(BASE);
  assert.deepEqual(
    { method, target, path, query, version, names, values, bodyLength, protocol },
    {
      method: "GET",
      target: "/a?b",
      path: "/a",
      query: "b",
      version: "2",
      names: ["host"],
      values: ["example.com"],
      bodyLength: 0,
      protocol: "",
    },
  );
  const both = head(withField("host", "Example.com"));
  assert.deepEqual([both.names, both.values], [["host"], ["example.com"]]);
  const only = head([...pseudo({ ":authority": undefined }), ["host", "example.com"]]);
  assert.deepEqual([only.names, only.values], [["host"], ["example.com"]]);
});

test("crumbs of a cookie are one field, where the first stood (RFC 9113 §8.2.3)", () => {
  const { names, values } = head([...BASE, ["cookie", "a=1"], ["range", "x"], ["cookie", "b=2"]]);
  assert.deepEqual(
    [names, values],
    [
      ["cookie", "range", "host"],
      ["a=1; b=2", "x", "example.com"],
    ],
  );
  assert.equal(head([...BASE, ["range", "x"]]).fields, HAS_RANGE);
});

test("empty crumbs of a cookie leave no space at its end", () => {
  for (const [crumbs, whole] of [
    [["a", ""], "a"],
    [["", "a", "", "b"], "a; b"],
    [["", ""], ""],
  ] as const) {
    const fields = crumbs.map((value): Field => ["cookie", value]);
    const { names, values } = head([...BASE, ...fields]);
    assert.equal(values[names.indexOf("cookie")], whole);
  }
});

test("the body is as long as Content-Length says, or unknown, or none", () => {
  assert.equal(head(BASE, { isLast: false }).bodyLength, null);
  assert.equal(head(withField("content-length", "7"), { isLast: false }).bodyLength, 7);
  assert.equal(head(withField("content-length", "0")).bodyLength, 0);
  assert.equal(fault(withField("content-length", "7")), "malformed BODY_LENGTH_DIFFERS");
  for (const value of ["", "-1", "1e3", "1,1"])
    assert.equal(
      fault(withField("content-length", value), { isLast: false }),
      "CONTENT_LENGTH_INVALID",
    );
});

test("100 Continue is awaited where a body follows, and the priority is read", () => {
  const asks: Field[] = [...BASE, ["expect", "100-Continue"], ["priority", "u=1, i"]];
  assert.equal(read(asks, { isLast: false }).awaitsContinue, true);
  assert.equal(read(asks).awaitsContinue, false);
  assert.deepEqual(read(asks).priority, { urgency: 1, isIncremental: true });
});

test("pseudo-header fields are each there once, known, and first (RFC 9113 §8.3)", () => {
  const malformed: (readonly Field[])[] = [
    pseudo({ ":method": undefined }),
    pseudo({ ":scheme": undefined }),
    pseudo({ ":path": undefined }),
    pseudo({ ":path": "" }),
    pseudo({ ":status": "200" }),
    pseudo({ ":unknown": "x" }),
    pseudo({ ":protocol": "websocket" }),
    [...BASE, [":method", "GET"]],
    [...BASE.slice(0, 3), ["accept", "x"], [":authority", "a"]],
  ];
  for (const fields of malformed)
    assert.equal(fault(fields), "malformed PSEUDO_FIELD_INVALID", JSON.stringify(fields));
});

test("names are in lower case, and values hold no control character", () => {
  for (const name of ["Accept", "a b", "", "a:", "ä"])
    assert.equal(fault(withField(name, "x")), "malformed FIELD_NAME_INVALID", name);
  for (const value of ["a\rb", "a\nb", "a\0b", " a", "a\t", "\u007f"])
    assert.equal(fault(withField("x", value)), "malformed FIELD_VALUE_INVALID", value);
  assert.equal(fault(withField("x", "")), "none");
});

test("fields of a connection are refused (RFC 9113 §8.2.2)", () => {
  for (const name of [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
  ])
    assert.equal(fault(withField(name, "x")), "malformed FIELD_OF_CONNECTION", name);
  assert.equal(fault(withField("te", "gzip")), "malformed FIELD_OF_CONNECTION");
  assert.equal(fault(withField("te", "trailers")), "none");
});

test("Host and :authority agree, and one of them is there", () => {
  assert.equal(fault(withField("host", "example.org")), "malformed HOST_DIFFERS");
  assert.equal(fault(pseudo({ ":authority": undefined })), "HOST_MISSING");
  for (const host of ["", "user@example.com", "a b", "a/b", "[::1"])
    assert.equal(fault(pseudo({ ":authority": host })), "HOST_INVALID", host);
});

test("a path is a path, and the scheme that of the connection", () => {
  for (const path of ["a", "http://a/", "*", "/ ", "/\\", "/%0", "/%00", "/#"])
    assert.equal(fault(pseudo({ ":path": path })), "TARGET_INVALID", path);
  assert.equal(head(pseudo({ ":method": "OPTIONS", ":path": "*" })).path, "*");
  assert.equal(fault(pseudo({ ":scheme": "http" })), "TARGET_SCHEME");
  assert.equal(fault(pseudo({ ":scheme": "ftp" }), { scheme: "http" }), "TARGET_SCHEME");
  // A proxy that has ended TLS.
  assert.equal(fault(BASE, { scheme: "http" }), "none");
});

test("CONNECT is for WebSockets only (RFC 8441 §4)", () => {
  const connect: Field[] = [
    [":method", "CONNECT"],
    [":authority", "a:443"],
  ];
  assert.equal(fault(connect), "METHOD_CONNECT");
  assert.equal(fault(pseudo({ ":method": "CONNECT" })), "malformed PSEUDO_FIELD_INVALID");
  const tunnel = pseudo({ ":method": "CONNECT", ":protocol": "websocket" });
  const { method, protocol, bodyLength, path } = head(tunnel, { isLast: false });
  assert.deepEqual([method, protocol, bodyLength, path], ["CONNECT", "websocket", 0, "/a"]);
  assert.equal(fault(pseudo({ ":method": "CONNECT", ":protocol": "other" })), "METHOD_CONNECT");
});

test("limits are those of HTTP/1.1", () => {
  assert.equal(fault(pseudo({ ":path": `/${"x".repeat(8192)}` })), "TARGET_TOO_LONG");
  assert.equal(fault(pseudo({ ":method": "X".repeat(129) })), "METHOD_TOO_LONG");
  const many = Array.from({ length: 101 }, (): Field => ["x", "y"]);
  assert.equal(fault([...BASE, ...many]), "TOO_MANY_FIELDS");
  // With Host there are 101.
  assert.equal(fault([...BASE, ...many.slice(1)]), "TOO_MANY_FIELDS");
  assert.equal(fault([...BASE, ...many.slice(2)]), "none");
  const crumbs = Array.from({ length: 300 }, (): Field => ["cookie", "a=b"]);
  assert.equal(fault([...BASE, ...crumbs]), "none");
});

test("trailers hold no field that is needed before the body", () => {
  const check = (name: string): void => checkTrailers([headerField(name, "x")]);
  check("x-sum");
  assert.throws(() => check("content-length"), RequestFault);
  assert.throws(() => check("X-Sum"), MalformedRequest);
  assert.throws(() => check(":path"), MalformedRequest);
});

/** Cases whose fault is in the lines, which HTTP/2 does not have. */
const OF_LINES: ReadonlySet<string> = new Set(["field-no-colon", "field-split-name"]);
const GROUPS: ReadonlySet<string> = new Set(["target", "host", "field", "length", "coding"]);

test("what HTTP/1.1 refuses in a head is refused in the same fields", () => {
  const refused = readCases().filter(({ expect, group, id }) => {
    return expect === "reject" && GROUPS.has(group) && !OF_LINES.has(id);
  });
  assert.ok(refused.length > 60, `only ${refused.length} cases`);
  for (const { id, bytes } of refused) {
    const [text = "", body = ""] = wholeText(bytes).split(/\r\n\r\n(.*)/s);
    const [line = "", ...lines] = text.split("\r\n");
    const [, method = "", path = ""] = /^(\S*) (.*) \S*$/s.exec(line) ?? [];
    const fields = lines.map((one): Field => {
      const [, field = one, content = ""] = /^(.[^:]*):[ ]?(.*)$/s.exec(one) ?? [];
      return [field.toLowerCase(), content];
    });
    const all: Field[] = [[":method", method], [":scheme", "http"], [":path", path], ...fields];
    assert.notEqual(fault(all, { scheme: "http", isLast: body === "" }), "none", id);
  }
});

const name = fc.oneof(
  fc.constantFrom("host", "cookie", "te", "content-length", "expect", "x-a", "range", ":path"),
  fc.string({ maxLength: 5 }),
);
const value = fc.oneof(
  fc.constantFrom("a", "trailers", "5", "100-continue"),
  fc.string({ maxLength: 12 }),
);
const latin = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

test("fields at random give a head that HTTP/1.1 takes too, or a fault of the table", () => {
  const parser = new HeadParser();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, value), { maxLength: 6 }),
      fc.constantFrom("GET", "POST", "DELETE", "PURGE"),
      fc.oneof(fc.constantFrom("/", "/a?b=%20", "*"), fc.string({ maxLength: 12 })),
      (fields, method, path) => {
        const all = [
          ...pseudo({ ":method": method, ":path": latin(path) }),
          ...fields.map(([one, text]) => [latin(one), latin(text)] as const),
        ];
        if (fault(all, { isLast: false }) !== "none") return;
        const seen = head(all, { isLast: false });
        const lines = seen.names.map((one, i) => `${one}: ${seen.values[i] ?? ""}\r\n`).join("");
        // Without Connection the member of TE means nothing, so that the same bytes mean the same.
        const text = `${seen.method} ${seen.target} HTTP/1.1\r\n${lines}\r\n`;
        const same = parser.parse(text, 0, "https");
        assert.ok(same !== null);
        assert.deepEqual(
          [same.path, same.query, same.names, same.values, same.fields],
          [seen.path, seen.query, seen.names, seen.values, seen.fields],
        );
      },
    ),
    { numRuns: 2000 },
  );
});
