// Host fields and addresses, each as the one text that routes are compared with.

import assert from "node:assert/strict";
import { test } from "node:test";

import { addressLiteral, hostNameOf } from "../../src/net/host-name.ts";

for (const [host, name] of [
  ["", ""],
  ["Example.com", "example.com"],
  ["Example.com.:8080", "example.com"],
  ["example.com:", "example.com"],
  ["192.0.2.1:80", "192.0.2.1"],
  ["[::1]", "[::1]"],
  ["[::1]:8000", "[::1]"],
  ["[0:0:0:0:0:0:0:1]:80", "[::1]"],
  ["[2001:DB8:0:0:1::1]", "[2001:db8::1:0:0:1]"],
  ["[::ffff:192.0.2.1]:80", "192.0.2.1"],
  ["[::FFFF:C000:0201]", "192.0.2.1"],
  ["[64:ff9b::192.0.2.33]", "[64:ff9b::c000:221]"],
  ["[v1.Z:1]:80", "[v1.z:1]"],
] as const)
  test(`the host ${host || "(empty)"} is ${name || "empty"}`, () => {
    assert.equal(hostNameOf(host), name);
  });

test("a name, an IPv4 address and an address with a zone are no literal", () => {
  for (const text of ["example.com", "192.0.2.1", "fe80::1%eth0", "", "::1]"])
    assert.equal(addressLiteral(text), null);
});
