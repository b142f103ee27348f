// DER: the encodings of X.690, and refusals of bytes that are none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { element, oid, readElements, sequence, time, unsigned } from "../../src/x509/der.ts";
import { addressBytes } from "../../src/x509/general-names.ts";

const hex = (bytes: Buffer): string => bytes.toString("hex");

test("lengths take one byte to 127, and then as many as they need", () => {
  assert.equal(hex(element(4, Buffer.alloc(127)).subarray(0, 2)), "047f");
  assert.equal(hex(element(4, Buffer.alloc(128)).subarray(0, 3)), "048180");
  assert.equal(hex(element(4, Buffer.alloc(65_536)).subarray(0, 5)), "0483010000");
});

test("numbers have no needless zeros and never look negative", () => {
  assert.equal(hex(unsigned(Buffer.from([0, 0, 1]))), "020101");
  assert.equal(hex(unsigned(Buffer.from([0x80]))), "02020080");
  assert.equal(hex(unsigned(Buffer.from([0, 0]))), "020100");
});

test("object identifiers have arcs in base 128", () => {
  assert.equal(hex(oid("1.2.840.113549.1.1.11")), "06092a864886f70d01010b");
  assert.equal(hex(oid("2.5.29.17")), "0603551d11");
});

test("times change their form in 2050", () => {
  assert.equal(time(Date.UTC(2049, 0, 2, 3, 4, 5)).toString("latin1", 2), "490102030405Z");
  assert.equal(time(Date.UTC(2050, 0, 2, 3, 4, 5)).toString("latin1", 2), "20500102030405Z");
});

test("elements are read as they were written", () => {
  const [outer] = readElements(sequence(oid("1.2.3"), element(4, Buffer.alloc(300, 1))));
  assert(outer !== undefined);
  assert.deepEqual(
    readElements(outer.content).map(({ tag, content }) => [tag, content.length]),
    [
      [6, 2],
      [4, 300],
    ],
  );
});

test("bytes that are no DER are refused", () => {
  for (const bad of ["30", "3005", "300201", "3080", "308500000000010a", "3084ffffffff"])
    assert.throws(() => readElements(Buffer.from(bad, "hex")), RangeError, bad);
});

test("addresses in each of their forms have the same bytes", () => {
  assert.equal(hex(addressBytes("192.0.2.1")), "c0000201");
  for (const text of ["::1", "0:0::0:1", "0:0:0:0:0:0:0:1", "::0.0.0.1"])
    assert.equal(hex(addressBytes(text)), `${"0".repeat(31)}1`, text);
  assert.equal(hex(addressBytes("2001:DB8::a:0:0:b")), "20010db800000000000a00000000000b");
  assert.equal(hex(addressBytes("::")), "0".repeat(32));
  assert.throws(() => addressBytes("example.com"), TypeError);
});
