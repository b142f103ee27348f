// Decodes field blocks (RFC 7541): the examples of Appendix C, each fault, the limits of a list, and bytes at
// random.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { FieldList, HpackDecoder, HpackFault } from "../../src/http2/hpack-decoder.ts";

/** A decoder, and the lines that it makes of a block in hexadecimal digits. */
class Decoding {
  readonly decoder: HpackDecoder;
  readonly list: FieldList;

  constructor({ tableBytes = 4096, maxBytes = 65_536, maxFields = 128 } = {}) {
    this.decoder = new HpackDecoder(tableBytes);
    this.list = new FieldList(maxBytes, maxFields);
  }

  decode(hex: string): string[] {
    const block = Buffer.from(`ffff${hex.replaceAll(/\s/g, "")}ffff`, "hex");
    this.decoder.decode(block, 2, block.length - 2, this.list);
    return this.list.fields.map(({ name, value }) => `${name}: ${value}`);
  }
}

function refuses(hex: string, fault: RegExp, decoding = new Decoding()): void {
  assert.throws(
    () => decoding.decode(hex),
    (error) => error instanceof HpackFault && fault.test(error.message),
    hex,
  );
}

const FIRST_REQUEST = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const THIRD_REQUEST = [
  ":method: GET",
  ":scheme: https",
  ":path: /index.html",
  ":authority: www.example.com",
  "custom-key: custom-value",
];
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

function responses(status: string, date: string): string[] {
  return [
    `:status: ${status}`,
    "cache-control: private",
    `date: Mon, 21 Oct 2013 20:13:${date} GMT`,
    "location: https://www.example.com",
  ];
}

test("decodes the single fields of RFC 7541 Appendix C.2", () => {
  for (const [hex, line] of [
    ["400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header"],
    ["040c2f73616d706c652f70617468", ":path: /sample/path"],
    ["100870617373776f726406736563726574", "password: secret"],
    ["82", ":method: GET"],
  ] as const)
    assert.deepEqual(new Decoding().decode(hex), [line]);
});

test("decodes the requests of Appendix C.3 and C.4, plain and with the Huffman code", () => {
  for (const blocks of [
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
    [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  ]) {
    const decoding = new Decoding();
    const lines = blocks.map((block) => decoding.decode(block));
    assert.deepEqual(lines, [
      FIRST_REQUEST,
      [...FIRST_REQUEST, "cache-control: no-cache"],
      THIRD_REQUEST,
    ]);
  }
});

test("decodes the responses of Appendix C.5 and C.6, whose fields leave a table of 256 bytes", () => {
  for (const blocks of [
    [
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "4803 3330 37c1 c0bf",
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ],
    [
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ],
  ]) {
    const decoding = new Decoding({ tableBytes: 256 });
    const lines = blocks.map((block) => decoding.decode(block));
    assert.deepEqual(lines, [
      responses("302", "21"),
      responses("307", "21"),
      [...responses("200", "22"), "content-encoding: gzip", `set-cookie: ${COOKIE}`],
    ]);
  }
});

test("reads integers of several bytes, and padded ones of up to four", () => {
  // The empty name and a value of 1337 bytes, which is 7f ba 09 (Appendix C.1.2 has a prefix of 5 bits).
  const value = "61".repeat(1337);
  assert.deepEqual(new Decoding().decode(`00 00 7fba09 ${value}`), [`: ${"a".repeat(1337)}`]);
  assert.deepEqual(new Decoding().decode("00 00 7f80808000".concat("62".repeat(127))), [
    `: ${"b".repeat(127)}`,
  ]);
});

test("keeps all bytes of a value, which other parts judge", () => {
  const decoding = new Decoding();
  assert.deepEqual(decoding.decode("00 01 41 05 000d0aff20"), ["A: \0\r\n\xff "]);
  assert.equal(decoding.list.fields[0]?.known?.lower, "a");
});

test("an index gives the object of the table: a repeated field allocates nothing", () => {
  const decoding = new Decoding();
  decoding.decode("4001610162");
  const [first] = decoding.list.fields;
  decoding.decode("be be");
  assert.equal(decoding.list.fields[0], first);
  assert.equal(decoding.list.fields[1], first);
});

test("refuses index 0 and an index beyond the tables", () => {
  refuses("80", /in no table/);
  refuses("be", /in no table/);
  refuses("7e 01 61", /in no table/);
  refuses("ff ffffff7f", /in no table/);
  refuses("40 0161 0162 bf", /in no table/);
  refuses("0f ffffff7f 00", /in no table/);
});

test("refuses an integer of more than four bytes after its prefix", () => {
  refuses("ff 8080808000", /too many bytes/);
  refuses("ff ffffffff7f", /too many bytes/);
  refuses("00 7f ffffffff0f", /too many bytes/);
  refuses("3f ffffffffff", /too many bytes/);
});

test("refuses a block that ends within a field", () => {
  for (const hex of ["ff", "ff80", "40", "4001", "4001 61", "4001 6101", "41", "0f", "00 7f", "3f"])
    refuses(hex, /ends within|longer than its block/);
});

test("reads no byte behind the block", () => {
  refuses("00 01 61 03 6162", /longer than its block/);
  refuses("00 04 616263", /longer than its block/);
  refuses("00 01 61 ff ffffff7f", /longer than its block/);
});

test("refuses a string that breaks the Huffman code", () => {
  refuses("00 01 61 84 ffffffff", /Huffman/);
  refuses("00 81 06 00", /Huffman/);
  refuses("00 01 61 82 07ff", /Huffman/);
});

test("takes two updates of the table's size at the begin of a block", () => {
  const decoding = new Decoding();
  assert.deepEqual(decoding.decode("400161016240016301643f 00".slice(0, 20)), ["a: b", "c: d"]);
  // 34 bytes: room for one field.
  assert.deepEqual(decoding.decode("3f03 be"), ["c: d"]);
  refuses("bf", /in no table/, decoding);
  assert.deepEqual(decoding.decode("20 3fe11f 82"), [":method: GET"]);
  refuses("be", /in no table/, decoding);
  assert.deepEqual(decoding.decode("3fe11f"), []);
});

test("refuses other updates of the table's size", () => {
  refuses("20 20 20", /three/);
  refuses("82 20", /not at the begin/);
  refuses("4001610162 3f03", /not at the begin/);
  refuses("3fe21f", /above the setting/);
  refuses("21", /above the setting/, new Decoding({ tableBytes: 0 }));
});

test("a smaller setting asks for an update, a larger one allows it", () => {
  const decoding = new Decoding();
  decoding.decoder.setMaxTableBytes(64);
  refuses("82", /does not begin/, decoding);
  refuses("", /does not begin/, decoding);
  refuses("3f22", /above the setting/, decoding);
  assert.deepEqual(decoding.decode("3f21 82"), [":method: GET"]);
  assert.deepEqual(decoding.decode("82"), [":method: GET"]);
  decoding.decoder.setMaxTableBytes(8192);
  assert.deepEqual(decoding.decode("82"), [":method: GET"]);
  assert.deepEqual(decoding.decode("3fe13f 82"), [":method: GET"]);
  // The peer had chosen a smaller table already.
  assert.deepEqual(decoding.decode("20"), []);
  decoding.decoder.setMaxTableBytes(4096);
  assert.deepEqual(decoding.decode("82"), [":method: GET"]);
});

test("a list beyond its limits is said to be too large, and the table stays in step", () => {
  for (const limits of [{ maxFields: 2 }, { maxBytes: 42 + 34 + 33 }]) {
    const decoding = new Decoding(limits);
    assert.deepEqual(decoding.decode("82 4001610162 4001630164"), [":method: GET", "a: b"]);
    assert(decoding.list.isTooLarge);
    assert.deepEqual(decoding.decode("be"), ["c: d"]);
    assert(!decoding.list.isTooLarge);
  }
});

test("a list up to its limits is not too large", () => {
  const decoding = new Decoding({ maxFields: 3, maxBytes: 42 + 34 + 34 });
  assert.equal(decoding.decode("82 4001610162 4001630164").length, 3);
  assert(!decoding.list.isTooLarge);
});

test("counts a large field as often as a block refers to it (header bomb)", () => {
  const decoding = new Decoding({ maxBytes: 16_384, maxFields: 100_000 });
  decoding.decode(`40 0161 7fa11e ${"62".repeat(4000)}`);
  const lines = decoding.decode("be".repeat(16_000));
  assert(decoding.list.isTooLarge);
  assert.equal(lines.length, 4);
});

test("bytes at random give fields or a fault, never anything else", () => {
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0x40, 0x82, 0xbe, 0xff, 0x00, 0x20, 0x7f));
  fc.assert(
    fc.property(fc.array(fc.array(byte, { maxLength: 60 }), { maxLength: 6 }), (blocks) => {
      const decoder = new HpackDecoder(200);
      const list = new FieldList(500, 10);
      for (const block of blocks) {
        try {
          decoder.decode(Buffer.from(block), 0, block.length, list);
        } catch (error) {
          assert(error instanceof HpackFault);
          return;
        }
        assert(list.fields.length <= 10);
        assert(list.fields.reduce((sum, field) => sum + field.bytes, 0) <= 500);
      }
    }),
    { numRuns: 3000 },
  );
});
