// Which responses are coded, and what becomes of their heads.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { chooseCodedHead, MIN_CODED_BYTES } from "../../src/http/coded-head.ts";
import { HAS_CODING, type RequestHead, type ResponseHead } from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";

type Field = readonly [name: string, value: string];

const HTML: Field = ["Content-Type", "text/html"];
const UNKNOWN = -1;

function request(fields: readonly Field[], method = "GET"): RequestHead {
  const names = fields.map(([name]) => name);
  return {
    method,
    target: "/",
    path: "/",
    query: "",
    version: "1.1",
    names,
    values: fields.map(([, value]) => value),
    fields: names.includes("accept-encoding") ? HAS_CODING : 0,
    bodyLength: 0,
    protocol: "",
  };
}

const BROWSER = request([["accept-encoding", "gzip, deflate, br, zstd"]]);
const PLAIN = request([]);

function head(fields: readonly Field[], status = 200): ResponseHead {
  return responseHead(status, "", fields);
}

function pairs({ names, values }: ResponseHead): Field[] {
  return names.map((name, index) => [name, values[index] ?? ""]);
}

describe("the choice", () => {
  const codingOf = (fields: readonly Field[], status = 200, length = UNKNOWN): string =>
    chooseCodedHead(head(fields, status), BROWSER, length).coding;

  test("is the coding that the client prefers, for text", () => {
    assert.equal(codingOf([HTML]), "zstd");
    const client = request([["accept-encoding", "zstd;q=0.1, gzip"]]);
    assert.equal(chooseCodedHead(head([HTML]), client, UNKNOWN).coding, "gzip");
    assert.equal(chooseCodedHead(head([HTML]), PLAIN, UNKNOWN).coding, "identity");
  });

  test("regards several Accept-Encoding fields as one list", () => {
    const client = request([
      ["accept-encoding", "zstd;q=0"],
      ["host", "a"],
      ["accept-encoding", "br"],
    ]);
    assert.equal(chooseCodedHead(head([HTML]), client, UNKNOWN).coding, "br");
  });

  test("is to code nothing that is short, has no type of text, or no type", () => {
    assert.equal(codingOf([HTML], 200, MIN_CODED_BYTES), "zstd");
    assert.equal(codingOf([HTML], 200, MIN_CODED_BYTES - 1), "identity");
    assert.equal(codingOf([HTML, ["Content-Length", String(MIN_CODED_BYTES - 1)]]), "identity");
    assert.equal(codingOf([["Content-Type", "image/png"]]), "identity");
    assert.equal(codingOf([]), "identity");
  });

  for (const field of [
    ["Content-Encoding", "gzip"],
    ["content-encoding", "identity"],
    ["Content-Range", "bytes 0-1/2"],
    ["Cache-Control", "private, No-Transform"],
    ["Content-MD5", "x"],
    ["Digest", "x"],
    ["Content-Digest", "x"],
    ["Repr-Digest", "x"],
  ] as const)
    test(`leaves a response with ${field.join(": ")} as it is`, () => {
      const given = head([HTML, ["ETag", '"x"'], field]);
      const { coding, head: sent } = chooseCodedHead(given, BROWSER, UNKNOWN);
      assert.equal(coding, "identity");
      assert.equal(sent, given);
    });

  for (const status of [204, 205, 206])
    test(`leaves a ${status} as it is`, () => {
      const given = head([HTML], status);
      assert.equal(chooseCodedHead(given, BROWSER, UNKNOWN).head, given);
    });

  test("includes error pages", () => assert.equal(codingOf([HTML], 404), "zstd"));
});

describe("the head of a coded response", () => {
  test("has the coding, a weak tag, Vary, and neither length nor ranges", () => {
    const given = head([
      HTML,
      ["Content-Length", "5000"],
      ["ETag", '"x"'],
      ["Accept-Ranges", "bytes"],
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
    ]);
    const { head: sent } = chooseCodedHead(given, BROWSER, 5000);
    assert.deepEqual(pairs(sent), [
      HTML,
      ["ETag", 'W/"x"'],
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["Vary", "Accept-Encoding"],
      ["Content-Encoding", "zstd"],
    ]);
    assert.equal(sent.contentLength, null);
  });

  test("keeps what a weak tag says", () => {
    const { head: sent } = chooseCodedHead(head([HTML, ["etag", 'W/"x"']]), BROWSER, UNKNOWN);
    assert.deepEqual(pairs(sent)[1], ["etag", 'W/"x"']);
  });

  test("is the same object each time, so that engines cache its text", () => {
    const given = head([HTML]);
    const again = chooseCodedHead(given, BROWSER, UNKNOWN);
    assert.equal(chooseCodedHead(given, BROWSER, UNKNOWN), again);
    assert.equal(chooseCodedHead(given, PLAIN, UNKNOWN), chooseCodedHead(given, PLAIN, 5000));
  });

  test("is the same for HEAD as for GET", () => {
    const given = head([HTML, ["Content-Length", "5000"]]);
    const accept = [["accept-encoding", "br"]] as const;
    assert.equal(
      chooseCodedHead(given, request(accept, "HEAD"), 5000).head,
      chooseCodedHead(given, request(accept), 5000).head,
    );
  });
});

describe("Vary", () => {
  const varyOf = (fields: readonly Field[], client = PLAIN): unknown[] =>
    pairs(chooseCodedHead(head([HTML, ...fields]), client, UNKNOWN).head)
      .filter(([name]) => name.toLowerCase() === "vary")
      .map(([, value]) => value);

  test("names Accept-Encoding for clients that get no coding as well", () => {
    assert.deepEqual(varyOf([]), ["Accept-Encoding"]);
    assert.deepEqual(varyOf([["ETag", '"x"']]), ["Accept-Encoding"]);
  });

  test("keeps what the application says", () => {
    assert.deepEqual(varyOf([["vary", "Cookie"]]), ["Cookie, Accept-Encoding"]);
    assert.deepEqual(
      varyOf([
        ["Vary", "Cookie"],
        ["Vary", "Origin"],
      ]),
      ["Cookie, Accept-Encoding", "Origin"],
    );
    for (const value of ["*", "accept-encoding", "Cookie, Accept-Encoding"])
      assert.deepEqual(varyOf([["Vary", value]], BROWSER), [value]);
  });

  test("leaves the tag strong where nothing is coded", () => {
    const { head: sent } = chooseCodedHead(head([HTML, ["ETag", '"x"']]), PLAIN, UNKNOWN);
    assert.deepEqual(pairs(sent)[1], ["ETag", '"x"']);
  });
});

describe("a 304", () => {
  const tagFor = (noneMatch: string, tag = '"x"'): unknown => {
    const given = head([["ETag", tag]], 304);
    const asked = request([
      ["accept-encoding", "gzip"],
      ["if-none-match", noneMatch],
    ]);
    const { coding, head: sent } = chooseCodedHead(given, asked, UNKNOWN);
    assert.equal(coding, "identity");
    assert.deepEqual(pairs(sent)[1], ["Vary", "Accept-Encoding"]);
    return pairs(sent)[0]?.[1];
  };

  test("names the tag as the client has it", () => {
    assert.equal(tagFor('W/"x"'), 'W/"x"');
    assert.equal(tagFor('"y", W/"x"'), 'W/"x"');
    assert.equal(tagFor('"x"'), '"x"');
    assert.equal(tagFor("*"), '"x"');
    assert.equal(tagFor('W/"y"'), '"x"');
    assert.equal(tagFor('"x"', 'W/"x"'), 'W/"x"');
  });

  test("of a picture stays as it is", () => {
    const given = head([["Content-Type", "image/png"]], 304);
    assert.equal(chooseCodedHead(given, BROWSER, UNKNOWN).head, given);
  });
});
