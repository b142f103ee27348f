// Early hints and trailers out of a worker's records: what is taken, what is a fault, who wants them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  MAX_EARLY_HINT_BYTES,
  MAX_EARLY_HINTS,
  parseEarlyHint,
  parseTrailers,
  sizeOf,
  wantsTrailers,
} from "../../src/http/field-section.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { MAX_RESPONSE_FIELDS, ResponseFault } from "../../src/http/response-head.ts";

const hint = (...parts: readonly string[]): string => ["103 Early Hints", ...parts].join("\0");

function faultOf(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof ResponseFault);
    return error.message;
  }
  return "";
}

function headWith(...te: readonly string[]): RequestHead {
  return {
    method: "GET",
    target: "/",
    path: "/",
    query: "",
    version: "1.1",
    names: ["host", ...te.map(() => "te"), "accept"],
    values: ["a", ...te, "trailers"],
    fields: 0,
    bodyLength: 0,
  };
}

test("reads early hints", () => {
  assert.deepEqual(parseEarlyHint(hint("link", "</a.css>; rel=preload", "link", "</b>"), 2), {
    names: ["link", "link"],
    values: ["</a.css>; rel=preload", "</b>"],
  });
  assert.deepEqual(parseEarlyHint(hint(), 0), { names: [], values: [] });
});

test("reads trailers, and none", () => {
  const trailers = parseTrailers("X-Sum\x00abc\0Server-Timing\0", 2);
  assert.deepEqual(trailers, { names: ["X-Sum", "Server-Timing"], values: ["abc", ""] });
  assert.equal(sizeOf(trailers), 21);
  assert.deepEqual(parseTrailers("", 0), { names: [], values: [] });
});

test("what could bend a message is a fault in both", () => {
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
    assert.match(
      faultOf(() => parseEarlyHint(hint(name, value), 1)),
      fault,
      name,
    );
    assert.match(
      faultOf(() => parseTrailers(`${name}\0${value}`, 1)),
      fault,
      name,
    );
  }
});

test("a NUL in a name or a value is a fault, and so is another count", () => {
  for (const count of [0, 2, 3]) {
    assert.match(
      faultOf(() => parseEarlyHint(hint("a", "b"), count)),
      /NUL/,
    );
    assert.match(
      faultOf(() => parseTrailers("a\0b", count)),
      /NUL/,
    );
  }
  assert.match(
    faultOf(() => parseTrailers("a\0b\0c", 1)),
    /NUL/,
  );
  assert.match(
    faultOf(() => parseTrailers("", 1)),
    /NUL/,
  );
});

test("an early hint is 103 and says nothing of a body", () => {
  for (const status of ["100 Continue", "103", "200 OK", "101 Switching Protocols"])
    assert.match(
      faultOf(() => parseEarlyHint(`${status}\0link\0</a>`, 1)),
      /103/,
    );
  assert.match(
    faultOf(() => parseEarlyHint(hint("Content-Length", "5"), 1)),
    /no body/,
  );
});

test("what a client must know before the body is a fault in a trailer (RFC 9110 §6.5.1)", () => {
  for (const name of [
    "Content-Length",
    "Host",
    "Trailer",
    "Authorization",
    "WWW-Authenticate",
    "Set-Cookie",
    "Cache-Control",
    "Expires",
    "Age",
    "Date",
    "Location",
    "Retry-After",
    "Vary",
    "Content-Type",
    "Content-Encoding",
    "Content-Range",
    "Range",
    "If-Match",
  ])
    assert.match(
      faultOf(() => parseTrailers(`${name}\0x`, 1)),
      /belongs into the head/,
      name,
    );
  for (const name of ["ETag", "Server-Timing", "Digest", "Grpc-Status", "Authentication-Info"])
    assert.equal(parseTrailers(`${name}\0x`, 1).names[0], name);
});

test("takes as many fields as a head may have, and no more", () => {
  const fields = (count: number): string => Array.from({ length: count }, () => "x\0y").join("\0");
  assert.equal(
    parseTrailers(fields(MAX_RESPONSE_FIELDS), MAX_RESPONSE_FIELDS).names.length,
    MAX_RESPONSE_FIELDS,
  );
  assert.match(
    faultOf(() => parseTrailers(fields(MAX_RESPONSE_FIELDS + 1), MAX_RESPONSE_FIELDS + 1)),
    /are more than/,
  );
});

test("a client wants trailers that says so in TE (RFC 9110 §10.1.4)", () => {
  for (const te of [["trailers"], ["Trailers"], ["gzip;q=0.5, trailers"], ["gzip", "\ttrailers "]])
    assert.ok(wantsTrailers(headWith(...te)), te.join());
  for (const te of [[], [""], ["gzip"], ["trailersque"], ["x trailers"], ["chunked;trailers"]])
    assert.ok(!wantsTrailers(headWith(...te)), te.join());
});

test("docs/limits.md says the limits as they are", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  for (const [name, value] of Object.entries({ MAX_EARLY_HINTS, MAX_EARLY_HINT_BYTES }))
    assert.match(page, new RegExp(`\\| \`${name}\` \\| ${value} `), name);
});
