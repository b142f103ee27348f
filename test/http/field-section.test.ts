// Early hints and trailers: which fields they may have, and which clients want them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  MAX_EARLY_HINT_BYTES,
  MAX_EARLY_HINTS,
  checkedHint,
  checkedTrailers,
  sizeOf,
  wantsTrailers,
  type FieldSection,
} from "../../src/http/field-section.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { MAX_RESPONSE_FIELDS, ResponseFault } from "../../src/http/response-head.ts";

const LINK: FieldSection = { names: ["link"], values: ["</a>"] };

function faultOf(check: () => unknown): string {
  try {
    check();
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
    protocol: "",
  };
}

test("an early hint has no length: it has no body", () => {
  const fields = { names: ["Content-Length"], values: ["5"] };
  assert.match(
    faultOf(() => checkedHint(fields)),
    /no body/,
  );
  assert.equal(checkedHint(LINK), LINK);
});

test("the size is that of names and values", () => {
  assert.equal(sizeOf({ names: ["X-Sum", "Server-Timing"], values: ["abc", ""] }), 21);
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
      faultOf(() => checkedTrailers({ names: [name], values: ["x"] })),
      /belongs into the head/,
      name,
    );
  for (const name of ["ETag", "Server-Timing", "Digest", "Grpc-Status", "Authentication-Info"])
    assert.equal(checkedTrailers({ names: [name], values: ["x"] }).names[0], name);
});

test("takes as many fields as a head may have, and no more", () => {
  const fields = (count: number): FieldSection => ({
    names: Array.from({ length: count }, () => "x"),
    values: Array.from({ length: count }, () => "y"),
  });
  const most = fields(MAX_RESPONSE_FIELDS);
  assert.equal(checkedTrailers(most), most);
  assert.match(
    faultOf(() => checkedTrailers(fields(MAX_RESPONSE_FIELDS + 1))),
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

test("blanks around a value are no part of it", () => {
  const hint = checkedHint({ names: ["link"], values: [" </a>\t"] });
  assert.deepEqual(hint.values, ["</a>"]);
  assert.deepEqual(checkedTrailers({ names: ["x-sum"], values: ["1 "] }).values, ["1"]);
});
