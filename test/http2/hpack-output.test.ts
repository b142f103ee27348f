// The bytes of field blocks: integers of RFC 7541 Appendix C.1, strings, growth.

import assert from "node:assert/strict";
import { test } from "node:test";

import { HpackOutput } from "../../src/http2/hpack-output.ts";

function hexOf({ bytes, length }: HpackOutput): string {
  return bytes.toString("hex", 0, length);
}

test("writes the integers of Appendix C.1, and those at the borders", () => {
  for (const [first, prefix, value, hex] of [
    [0, 0x1f, 10, "0a"],
    [0xe0, 0x1f, 1337, "ff9a0a"],
    [0, 0xff, 42, "2a"],
    [0, 0x1f, 30, "1e"],
    [0, 0x1f, 31, "1f00"],
    [0x80, 0x7f, 127, "ff00"],
    [0x80, 0x7f, 254, "ff7f"],
    [0x80, 0x7f, 255, "ff8001"],
    [0, 0x0f, 2 ** 31 - 1, "0ff0ffffff07"],
  ] as const) {
    const output = new HpackOutput();
    output.integer(first, prefix, value);
    assert.equal(hexOf(output), hex);
  }
});

test("writes a string as it is, or in the Huffman code where that is shorter", () => {
  const output = new HpackOutput();
  output.string("no-cache");
  output.codedString("no-cache");
  output.codedString("\xff");
  output.codedString("");
  assert.equal(hexOf(output), `08${Buffer.from("no-cache").toString("hex")}86a8eb10649cbf01ff00`);
});

test("grows, keeps what is written, and gives up a large buffer", () => {
  const output = new HpackOutput();
  const small = output.bytes.length;
  output.string("a");
  output.codedString("é".repeat(100_000));
  output.codedString("0".repeat(100_000));
  output.append(new Uint8Array(100_000).fill(7));
  assert.equal(output.length, 2 + 4 + 100_000 + 4 + 62_500 + 100_000);
  assert.equal(hexOf(output).slice(0, 12), "01617fa18c06");
  assert.equal(output.bytes[output.length - 1], 7);
  output.clear();
  assert.deepEqual([output.length, output.bytes.length], [0, small]);
});
