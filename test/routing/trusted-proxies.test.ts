// Whose forwarded fields are believed: declared addresses, and peers on Unix sockets only where that is declared.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TrustedProxies } from "../../src/routing/trusted-proxies.ts";

/** The peer on a Unix socket. */
const UNIX = "";

function trusts(allowed: readonly string[], address: string): boolean {
  return new TrustedProxies(allowed, () => "id").isTrusted(address);
}

test("a peer on a Unix socket is trusted where `unix` or `*` is declared, and not as 127.0.0.1", () => {
  assert.equal(trusts(["127.0.0.1", "::1", "0.0.0.0/0"], UNIX), false);
  assert.equal(trusts([], UNIX), false);
  assert.equal(trusts(["127.0.0.1", "unix"], UNIX), true);
  assert.equal(trusts(["*"], UNIX), true);
});

test("`unix` trusts no address", () => {
  for (const address of ["127.0.0.1", "::1", "192.0.2.1", "unix", "unknown"])
    assert.equal(trusts(["unix"], address), false, address);
});

test("an IPv4 address is the same in its IPv6 form, in the list and as a peer", () => {
  assert.equal(trusts(["10.0.0.0/8"], "::ffff:10.1.2.3"), true);
  assert.equal(trusts(["::ffff:10.0.0.1"], "10.0.0.1"), true);
  assert.equal(trusts(["::ffff:10.0.0.0/104"], "10.9.9.9"), true);
  assert.equal(trusts(["::ffff:10.0.0.0/104"], "11.0.0.1"), false);
});
