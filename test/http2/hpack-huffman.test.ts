// The Huffman code (RFC 7541 §5.2, Appendix B): each symbol, strict padding, no EOS.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { huffmanDecode, huffmanEncode, huffmanLength } from "../../src/http2/hpack-huffman.ts";

function encoded(text: string): Buffer {
  const target = Buffer.alloc(huffmanLength(text), 0xaa);
  assert.equal(huffmanEncode(text, target, 0), target.length);
  return target;
}

function decoded(hex: string): string | null {
  const bytes = Buffer.from(hex, "hex");
  return huffmanDecode(bytes, 0, bytes.length);
}

test("codes the strings of RFC 7541 Appendix C", () => {
  for (const [text, hex] of [
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-key", "25a849e95ba97d7f"],
    ["302", "6402"],
    ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
    ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
    [
      "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
      "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
  ] as const) {
    assert.equal(encoded(text).toString("hex"), hex);
    assert.equal(decoded(hex), text);
  }
});

test("codes the symbols whose codes are the first and the last of a length", () => {
  // RFC 7541 Appendix B: the code of a symbol, then ones to the end of the byte.
  for (const [symbol, hex] of [
    [0x30, "07"], // 00000
    [0x74, "4f"], // 01001
    [0x20, "53"], // 010100
    [0x7b, "fffd"], // 111111111111110, and one bit of padding
    [0x5c, "fffe1f"], // 19 bits: 7fff0
    [0x00, "ffc7"], // 13 bits: 1ff8
    [0xf9, "ffffffef"], // 28 bits: ffffffe
    [0x0a, "fffffff3"], // 30 bits: 3ffffffc
    [0x16, "fffffffb"], // 30 bits: 3ffffffe
  ] as const) {
    const text = String.fromCharCode(symbol);
    assert.equal(decoded(hex), text, hex);
    assert.equal(encoded(text).toString("hex"), hex);
  }
});

test("decodes what it encodes, of all symbols in any order", () => {
  const text = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(text, fc.nat(9), (one, before) => {
      const target = Buffer.alloc(before + huffmanLength(one) + 2, 0x55);
      const end = huffmanEncode(one, target, before);
      assert.equal(huffmanDecode(target, before, end), one);
      assert.deepEqual([...target.subarray(0, before)], Array(before).fill(0x55));
      assert.deepEqual([...target.subarray(end)], [0x55, 0x55]);
    }),
    { numRuns: 500 },
  );
});

test("decodes a string that is longer than any before", () => {
  const text = "0".repeat(200_000);
  assert.equal(huffmanDecode(encoded(text), 0, huffmanLength(text)), text);
});

test("refuses padding that is longer than 7 bits", () => {
  assert.equal(decoded("07"), "0");
  assert.equal(decoded("07ff"), null);
  assert.equal(decoded("ff"), null);
  // "|" has 15 bits: 8 bits of padding may not follow a whole byte either.
  assert.equal(decoded("53ff"), null);
  assert.equal(decoded(""), "");
});

test("refuses padding that is not the begin of EOS", () => {
  for (let last = 0; last < 8; last += 1)
    assert.equal(decoded(Buffer.of(last).toString("hex")), last === 7 ? "0" : null);
});

test("refuses a string that ends within a code", () => {
  // The 13 bits of NUL without the last five.
  assert.equal(decoded("ffc0"), null);
  assert.equal(decoded("fe"), null);
});

test("refuses EOS in a string", () => {
  assert.equal(decoded("ffffffff"), null);
  assert.equal(decoded("fffffffc"), null);
  assert.equal(decoded("07fffffffe"), null);
  assert.equal(decoded("3fffffffff07"), null);
});
