// Encodes response heads and trailers (RFC 7541): what is indexed, what a repeated head costs, and that the
// decoder reads the same fields at every size of the table.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import type { ResponseHead } from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { currentDate } from "../../src/http/server-fields.ts";
import { FieldList, HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { HpackOutput } from "../../src/http2/hpack-output.ts";

type Fields = readonly (readonly [name: string, value: string])[];

/** Our encoder with our decoder behind it. */
class Pair {
  readonly encoder: HpackEncoder;
  readonly decoder = new HpackDecoder();
  readonly output = new HpackOutput();
  /** The last block. */
  block: Buffer = Buffer.alloc(0);
  readonly #list = new FieldList(1_000_000, 1000);

  constructor(hsts = "") {
    this.encoder = new HpackEncoder(hsts);
  }

  head(head: ResponseHead, requestId = "", length = -1): string[] {
    return this.#decode(() => this.encoder.encodeHead(head, requestId, length, this.output));
  }

  interim(status: number, fields: Fields): string[] {
    return this.#decode(() => this.encoder.encodeInterim(status, section(fields), this.output));
  }

  trailers(fields: Fields): string[] {
    return this.#decode(() => this.encoder.encodeTrailers(section(fields), this.output));
  }

  #decode(encode: () => void): string[] {
    // An engine leaves room for the header of a frame.
    this.output.clear();
    this.output.append(new Uint8Array(9));
    encode();
    this.block = Buffer.from(this.output.bytes.subarray(9, this.output.length));
    this.decoder.decode(this.block, 0, this.block.length, this.#list);
    return this.#list.fields.map(({ name, value }) => `${name}: ${value}`);
  }
}

function section(fields: Fields): { names: string[]; values: string[] } {
  return { names: fields.map(([name]) => name), values: fields.map(([, value]) => value) };
}

/** A head without the fields that the server adds. */
function bareHead(fields: Fields, status = 200): ResponseHead {
  return {
    ...responseHead(status, "", fields),
    hasDate: true,
    hasServer: true,
    hasRequestId: true,
  };
}

function hexOf(pair: Pair): string {
  return pair.block.toString("hex");
}

test("a head has status, fields in lower case, Server, Content-Length, Date and X-Request-ID", () => {
  const pair = new Pair();
  const head = responseHead(404, "Not Found", [
    ["Content-Type", "text/plain"],
    ["X-A", "B"],
  ]);
  for (let i = 0; i < 4; i += 1)
    assert.deepEqual(pair.head(head, `id-${i}`, 12), [
      ":status: 404",
      "content-type: text/plain",
      "x-a: B",
      "server: typhon",
      "content-length: 12",
      `date: ${currentDate()}`,
      `x-request-id: id-${i}`,
    ]);
});

test("Strict-Transport-Security is in each response, never in the table, unless the head has its own", () => {
  const pair = new Pair("max-age=300");
  const field = "strict-transport-security: max-age=300";
  for (const fields of [[["x-a", "b"]], [["x-a", "b"]], [["x-c", "d"]]] as const) {
    const [status, own, added] = pair.head(bareHead(fields));
    assert.deepEqual([status, own, added], [":status: 200", fields[0].join(": "), field]);
  }
  const own = bareHead([["Strict-Transport-Security", "max-age=5"]]);
  assert.deepEqual(pair.head(own), [":status: 200", "strict-transport-security: max-age=5"]);
  assert.deepEqual(new Pair().head(bareHead([])), [":status: 200"]);
});

test("a 204 has no Content-Length, and what a head has of its own is not added", () => {
  const pair = new Pair();
  const date = "Sun, 06 Nov 1994 08:49:37 GMT";
  const fields = [
    ["Server", "s"],
    ["Date", date],
    ["X-Request-ID", "own"],
  ] as const;
  assert.deepEqual(
    pair.head(responseHead(204, "", [...fields, ["Content-Length", "0"]]), "other"),
    [":status: 204", "server: s", `date: ${date}`, "x-request-id: own"],
  );
});

test("a repeated head is one byte a field, and its own bytes where they differ", () => {
  const pair = new Pair();
  const head = bareHead([
    ["Content-Type", "text/html"],
    ["Cache-Control", "no-store"],
    ["ETag", '"x"'],
  ]);
  pair.head(head);
  for (let i = 0; i < 3; i += 1) {
    pair.head(head);
    // Status 8, content-type and cache-control of the dynamic table, etag by its name.
    assert.equal(hexOf(pair), "88bfbe0f1303227822");
  }
});

test("another head that adds to the table changes the indexes of the first", () => {
  const pair = new Pair();
  const head = bareHead([["Content-Type", "text/html"]]);
  for (let i = 0; i < 3; i += 1) pair.head(head);
  assert.equal(hexOf(pair), "88be");
  pair.head(bareHead([["Vary", "Cookie"]]));
  assert.deepEqual(pair.head(head), [":status: 200", "content-type: text/html"]);
  assert.equal(hexOf(pair), "88bf");
});

test("a head is kept from its second response on, if it is small", () => {
  for (const [length, isKept] of [
    [400, true],
    [600, false],
  ] as const) {
    const pair = new Pair();
    const values = ["a".repeat(length)];
    const head = { ...bareHead([]), names: ["ETag"], values };
    pair.head(head);
    pair.head(head);
    // No head is ever changed; here the change shows which bytes are sent.
    values[0] = "b";
    assert.equal(pair.head(head)[1] === "etag: b", !isKept);
  }
});

test("Date is the current one in each response", (t) => {
  const pair = new Pair();
  const head = responseHead(200, "", [["X-Request-ID", "a"]]);
  for (const second of [784_111_777, 784_111_777, 784_111_778, 1_735_689_600]) {
    t.mock.method(Date, "now", () => second * 1000);
    assert(pair.head(head).includes(`date: ${new Date(second * 1000).toUTCString()}`));
  }
});

test("a value is sent in the Huffman code where that is shorter", () => {
  const pair = new Pair();
  pair.trailers([["vary", "cookie"]]);
  assert.equal(hexOf(pair), "7b8421cfd4c5");
  pair.trailers([["vary", "\xff\xff"]]);
  assert.equal(hexOf(pair), "7b02ffff");
});

test("the kept bytes of a head outlive what is written over them", () => {
  const pair = new Pair();
  const head = bareHead([
    ["Content-Type", "text/html"],
    ["ETag", "first"],
  ]);
  for (let i = 0; i < 3; i += 1) pair.head(head);
  pair.output.bytes.fill(0xff);
  assert.deepEqual(pair.head(head), [":status: 200", "content-type: text/html", "etag: first"]);
});

test("more heads than a connection keeps, in any order, are right", () => {
  const pair = new Pair();
  const heads = Array.from({ length: 20 }, (_, i) =>
    bareHead([
      ["ETag", `${i}`],
      ["X-K", `${i % 3}`],
    ]),
  );
  for (let i = 0; i < 200; i += 1) {
    const at = (i * 7 + (i >> 3)) % 20;
    const head = heads[at];
    assert(head !== undefined);
    assert.deepEqual(pair.head(head), [":status: 200", `etag: ${at}`, `x-k: ${at % 3}`]);
  }
});

test("secrets are never indexed (RFC 7541 §7.1.3)", () => {
  for (const name of ["Set-Cookie", "Authorization", "Proxy-Authorization"]) {
    const pair = new Pair();
    for (let i = 0; i < 3; i += 1) {
      pair.trailers([[name, "secret"]]);
      assert.equal((pair.block[0] ?? 0) & 0xf0, 0x10, name);
      assert(pair.block.includes("secret"));
    }
  }
});

test("fields that differ each time do not enter the table", () => {
  const pair = new Pair();
  for (const name of [
    "Content-Length",
    "Date",
    "X-Request-ID",
    "ETag",
    "Location",
    "Last-Modified",
  ]) {
    pair.trailers([[name, "a"]]);
    pair.trailers([[name, "a"]]);
    assert.equal((pair.block[0] ?? 0) & 0xf0, 0, name);
  }
});

test("a name has eight values in the table; further ones are sent as they are", () => {
  const pair = new Pair();
  for (let i = 0; i < 100; i += 1) pair.trailers([["X-Time", `${i}`]]);
  assert.equal((pair.block[0] ?? 0) & 0xf0, 0);
  pair.trailers([["X-Time", "7"]]);
  assert.equal(hexOf(pair), "be");
  pair.trailers([["X-Time", "0"]]);
  assert.equal(hexOf(pair), "c5");
});

test("a field of more than a quarter of the table is not added", () => {
  const pair = new Pair();
  const value = "p".repeat(1024 - 32 - 3);
  pair.trailers([["x-a", value]]);
  pair.trailers([["x-a", value]]);
  assert.equal(hexOf(pair), "be");
  pair.trailers([["x-b", `${value}p`]]);
  pair.trailers([["x-b", `${value}p`]]);
  assert(pair.block.length > value.length);
});

test("a full table stays as it is: no response changes what others are encoded to", () => {
  const pair = new Pair();
  pair.trailers([["x-first", "1"]]);
  for (let i = 0; i < 300; i += 1) pair.trailers([[`x-name-${i}`, "value"]]);
  pair.trailers([["x-first", "1"]]);
  const before = hexOf(pair);
  assert(before.length <= 4);
  assert.deepEqual(pair.trailers([["x-late", "v"]]), ["x-late: v"]);
  pair.trailers([["x-first", "1"]]);
  assert.equal(hexOf(pair), before);
});

test("an interim response has its status and fields", () => {
  const pair = new Pair();
  assert.deepEqual(pair.interim(100, []), [":status: 100"]);
  assert.deepEqual(pair.interim(103, [["Link", "</a.css>; rel=preload"]]), [
    ":status: 103",
    "link: </a.css>; rel=preload",
  ]);
});

test("a smaller setting of the peer begins the next block with the size, and only that", () => {
  const pair = new Pair();
  const head = bareHead([["Content-Type", "text/html"]]);
  for (let i = 0; i < 3; i += 1) pair.head(head);
  pair.encoder.setMaxTableBytes(0);
  pair.decoder.setMaxTableBytes(0);
  assert.deepEqual(pair.head(head), [":status: 200", "content-type: text/html"]);
  assert.equal(pair.block[0], 0x20);
  pair.head(head);
  assert.equal(pair.block[0], 0x88);
  pair.encoder.setMaxTableBytes(100);
  pair.decoder.setMaxTableBytes(100);
  pair.head(head);
  assert.equal(pair.block.subarray(0, 2).toString("hex"), "3f45");
});

test("several settings before a block give the smallest size and the last", () => {
  const pair = new Pair();
  for (const bytes of [200, 0, 64]) pair.encoder.setMaxTableBytes(bytes);
  pair.trailers([]);
  assert.equal(hexOf(pair), "203f21");
  for (const bytes of [31, 4096]) pair.encoder.setMaxTableBytes(bytes);
  pair.trailers([]);
  assert.equal(hexOf(pair), "3f003fe11f");
});

test("we use no more than 4096 bytes, so a larger setting needs no word", () => {
  const pair = new Pair();
  pair.encoder.setMaxTableBytes(65_536);
  pair.trailers([]);
  assert.equal(hexOf(pair), "");
});

test("values of all lengths and bytes arrive", () => {
  const pair = new Pair();
  for (const length of [0, 1, 126, 127, 128, 255, 16_383, 20_000, 100_000]) {
    const value = Buffer.alloc(length, "\xff\x01~ aZ", "latin1").toString("latin1");
    assert.deepEqual(
      pair.trailers([
        ["x-a", value],
        ["etag", value],
      ]),
      [`x-a: ${value}`, `etag: ${value}`],
    );
  }
});

test("encoder and decoder stay in step over hundreds of blocks and changes of the table", () => {
  const name = fc.constantFrom(
    "Content-Type",
    "X-A",
    "Set-Cookie",
    "ETag",
    "x-long-name-of-an-app",
    "Vary",
  );
  const value = fc.oneof(
    fc.constantFrom("a", "text/html; charset=utf-8", "no-store", ""),
    fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 80 }),
  );
  const head = fc
    .tuple(fc.constantFrom(200, 302, 404, 503), fc.array(fc.tuple(name, value), { maxLength: 6 }))
    .map(([status, fields]) => ({ ...bareHead([], status), ...section(fields) }));
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ head: fc.nat(11) }) },
    {
      weight: 1,
      arbitrary: fc.record({ tableBytes: fc.constantFrom(0, 40, 100, 200, 4096, 9999) }),
    },
  );
  fc.assert(
    fc.property(
      fc.array(head, { minLength: 12, maxLength: 12 }),
      fc.array(step, { minLength: 200, maxLength: 300, size: "max" }),
      (heads, steps) => {
        const pair = new Pair();
        for (const one of steps) {
          if ("tableBytes" in one) {
            pair.encoder.setMaxTableBytes(one.tableBytes);
            pair.decoder.setMaxTableBytes(one.tableBytes);
            continue;
          }
          const sent = heads[one.head];
          assert(sent !== undefined);
          assert.deepEqual(pair.head(sent), [
            `:status: ${sent.status}`,
            ...sent.names.map((each, i) => `${each.toLowerCase()}: ${sent.values[i]}`),
          ]);
        }
      },
    ),
    { numRuns: 40 },
  );
});
