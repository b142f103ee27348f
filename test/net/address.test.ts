// Addresses as text.

import assert from "node:assert/strict";
import { test } from "node:test";

import { formatAddress, plainAddress } from "../../src/net/address.ts";

test("writes an IPv4 client of a dual-stack socket as IPv4", () => {
  assert.equal(plainAddress("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(plainAddress("192.0.2.1"), "192.0.2.1");
  assert.equal(plainAddress("2001:db8::1"), "2001:db8::1");
  assert.equal(plainAddress("::ffff:c000:201"), "192.0.2.1");
  assert.equal(plainAddress("::FFFF:192.0.2.1"), "192.0.2.1");
  for (const other of ["::1", "::", "::ffff:1", "::ffff:0:0:1", "::c000:201", "::ffff:0.0.2.1:1"])
    assert.equal(plainAddress(other), other);
  assert.equal(plainAddress(undefined), "");
});

test("puts IPv6 addresses in brackets before a port", () => {
  assert.equal(formatAddress({ kind: "tcp", host: "::1", port: 80 }), "[::1]:80");
  assert.equal(formatAddress({ kind: "tcp", host: "127.0.0.1", port: 8000 }), "127.0.0.1:8000");
  assert.equal(formatAddress({ kind: "unix", path: "/run/a.sock" }), "unix:/run/a.sock");
});
