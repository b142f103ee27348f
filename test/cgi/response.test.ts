// The header block of a program's response: what is a document, a redirect, a fault, whatever pieces it comes in.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  HeadReader,
  MAX_PROGRAM_FIELDS,
  MAX_PROGRAM_HEAD_BYTES,
  type ProgramResponse,
} from "../../src/cgi/response.ts";
import { ResponseFault } from "../../src/http/response-head.ts";

/** Reads an output in pieces; null: the block has no end. */
function read(
  output: Buffer,
  cuts: readonly number[] = [],
): { readonly response: ProgramResponse; readonly body: string } | null {
  const reader = new HeadReader();
  const borders = [...cuts].map((cut) => cut % (output.length + 1)).sort((a, b) => a - b);
  let start = 0;
  for (const end of [...borders, output.length]) {
    const piece = output.subarray(start, end);
    const found = reader.push(piece);
    if (found !== null) {
      const body = output.toString("latin1", start + found.bodyAt);
      return { response: found.response, body };
    }
    start = end;
  }
  return null;
}

/** "404 Not Found|X-A: b|body", "local /path?query", "fault text". */
function told(text: string, cuts: readonly number[] = []): string {
  try {
    const found = read(Buffer.from(text, "latin1"), cuts);
    if (found === null) return "more";
    const { response, body } = found;
    if (response.kind === "local-redirect") return `local ${response.path}?${response.query}`;
    const { status, reason, names, values } = response.head;
    const fields = names.map((name, index) => `${name}: ${values[index] ?? ""}`);
    const type = response.hasType ? "" : " untyped";
    return [`${status} ${reason}${type}`, ...fields, body].join("|");
  } catch (error) {
    assert(error instanceof ResponseFault, String(error));
    return `fault ${error.message}`;
  }
}

const HTML = "Content-Type: text/html";

describe("a program's response", () => {
  for (const [output, expected] of [
    [`${HTML}\n\nbody\n`, `200 OK|${HTML}|body\n`],
    [`${HTML}\r\n\r\nbody\r\n`, `200 OK|${HTML}|body\r\n`],
    [`${HTML}\r\n\nbody`, `200 OK|${HTML}|body`],
    [`${HTML}\n\r\n\n`, `200 OK|${HTML}|\n`],
    [`content-type:text/html \n\n`, "200 OK|content-type: text/html|"],
    [`Status: 404 Nothing here\n${HTML}\n\n`, `404 Nothing here|${HTML}|`],
    [`Status: 404\n${HTML}\n\n`, `404 Not Found|${HTML}|`],
    [`Status:299\n${HTML}\n\n`, `299 |${HTML}|`],
    ["Status: 304 Not Modified\n\n", "304 Not Modified untyped|"],
    ["Status: 204\nX-A: b\n\n", "204 No Content untyped|X-A: b|"],
    [
      `${HTML}\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n`,
      `200 OK|${HTML}|Set-Cookie: a=1|Set-Cookie: b=2|`,
    ],
    [`${HTML}\nX-A: caf\u00e9\n\n`, `200 OK|${HTML}|X-A: caf\u00e9|`],
    [`${HTML}\nX-CGI-Cache: no\n\n`, `200 OK|${HTML}|`],
    [`${HTML}\nConnection: close\nKeep-Alive: a\n\n`, `200 OK|${HTML}|`],
    [`${HTML}\nContent-Length: 3\n\nabc`, `200 OK|${HTML}|Content-Length: 3|abc`],
  ] as const)
    it(`is a document: ${JSON.stringify(output)}`, () => assert.equal(told(output), expected));

  for (const [output, expected] of [
    ["Location: /a/b?c=d\n\n", "local /a/b?c=d"],
    [`Location: /a\n${HTML}\n\nignored`, "local /a?"],
    ["Status: 200 OK\nLocation: /a%20b?\n\n", "local /a%20b?"],
    ["Location: http://h/x\n\n", "302 Found untyped|Location: http://h/x|"],
    [`Location: http://h/x\n${HTML}\n\nmoved`, `302 Found|Location: http://h/x|${HTML}|moved`],
    ["Location: other.cgi\n\n", "302 Found untyped|Location: other.cgi|"],
    ["Location: /a#b\n\n", "302 Found untyped|Location: /a#b|"],
    ["Status: 301 Moved\nLocation: https://h/\n\n", "301 Moved untyped|Location: https://h/|"],
    // As Apache has it: what a program says of the status holds.
    [`Status: 303\nLocation: /a\n\n`, "303 See Other untyped|Location: /a|"],
    [`Status: 201 Created\nLocation: /a\n${HTML}\n\nok`, `201 Created|Location: /a|${HTML}|ok`],
  ] as const)
    it(`is a redirect, or not: ${JSON.stringify(output)}`, () =>
      assert.equal(told(output), expected));

  for (const [output, expected] of [
    ["\n", /neither Content-Type, Location nor Status/],
    ["\r\nContent-Type: a/b\n\n", /neither/],
    ["X-A: b\n\n", /neither/],
    ["<html>\n\n", /"<html>" is no header field/],
    ["HTTP/1.1 200 OK\nContent-Type: a/b\n\n", /NPH/],
    ["Traceback (most recent call last):\n\n", /neither/],
    [`${HTML}\n folded\n\n`, /" folded" is no header field/],
    [`${HTML}\nX A: b\n\n`, /"X A" is not a token/],
    [`${HTML}\nX-A : b\n\n`, /not a token/],
    [`${HTML}\n: b\n\n`, /not a token/],
    [`${HTML}\nX-A: a\rb\n\n`, /control characters/],
    [`${HTML}\nX-A: a\0b\n\n`, /control characters/],
    [`${HTML}\nTransfer-Encoding: chunked\n\n`, /hop-by-hop/],
    [`${HTML}\nConnection: X-A\n\n`, /hop-by-hop/],
    [`${HTML}\nContent-Length: 1\nContent-Length: 1\n\n`, /two Content-Length/],
    [`${HTML}\nContent-Length: -1\n\n`, /not a decimal/],
    [`${HTML}\n${HTML}\n\n`, /two Content-Type/],
    [`${HTML}\nStatus: 200\nstatus: 404\n\n`, /two status/],
    ["Status: 100 Continue\n\n", /status "100 Continue"/],
    ["Status: 99\n\n", /status/],
    ["Status: 2000\n\n", /status/],
    ["Status: OK\n\n", /status/],
    ["Status: 200 a\x01b\n\n", /control characters/],
    ["Location: /a b\n\n", /neither a path nor a URL/],
    ["Location: /a%00\n\n", /neither a path nor a URL/],
    [`${HTML}\n${"X-A: b\n".repeat(MAX_PROGRAM_FIELDS)}\n`, /more than 100 fields/],
    [`${HTML}\nX: ${"a".repeat(MAX_PROGRAM_HEAD_BYTES)}`, /longer than 32768 bytes/],
  ] as const)
    it(`is a fault: ${JSON.stringify(output.slice(0, 60))}`, () =>
      assert.match(told(output), expected));

  it("may have a header block of just the limits", () => {
    const fields = `${HTML}\n${"X-A: b\n".repeat(MAX_PROGRAM_FIELDS - 1)}`;
    assert.match(told(`${fields}\nbody`), /^200 .*\|body$/);
    const start = `${HTML}\nX: `;
    const value = "a".repeat(MAX_PROGRAM_HEAD_BYTES - start.length - 2);
    assert(told(`${start}${value}\n\nbody`) === `200 OK|${HTML}|X: ${value}|body`);
    assert(told(`${start}${value}a\n\nbody`).includes("longer than"));
    assert.equal(told(`${start}${value}\n`), "more");
  });

  it("means the same in any pieces", () => {
    const line = fc.constantFrom(
      HTML,
      "Status: 404 No",
      "Location: /x?y",
      "Location: http://h/",
      "X-A: b",
      "",
      "x",
      "\r",
      "HTTP/1.1 200 OK",
    );
    const text = fc
      .array(fc.tuple(line, fc.constantFrom("\n", "\r\n")), { maxLength: 8 })
      .map((lines) => lines.flat().join(""));
    fc.assert(
      fc.property(text, fc.array(fc.nat(200), { maxLength: 10 }), (output, cuts) => {
        assert.equal(told(output, cuts), told(output));
        assert.equal(
          told(
            output,
            Array.from(output, (_, index) => index),
          ),
          told(output),
        );
      }),
      { numRuns: 500 },
    );
  });

  it("never has a field that another message could begin in", () => {
    const property = fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), (noise) => {
      const found = told(`${HTML}\nX-A: ${noise}\n\n`);
      assert.doesNotMatch(found.replace(/\|[^|]*$/, ""), /^200[\s\S]*[\r\n\0]/);
    });
    fc.assert(property, { numRuns: 500 });
  });
});
