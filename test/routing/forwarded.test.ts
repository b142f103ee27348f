// The grammar of forwarded fields (RFC 7239 and the X-Forwarded family).

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MAX_HOPS, readForwarded, readForwardedLists } from "../../src/routing/forwarded.ts";

describe("readForwardedLists", () => {
  it("reads addresses with and without brackets and ports", () => {
    const hops = readForwardedLists(
      "192.0.2.1, 192.0.2.2:81, [2001:db8::1]:82, 2001:db8::2",
      null,
      null,
    );
    assert.deepEqual(
      hops.map((hop) => [hop.address, hop.port]),
      [
        ["192.0.2.1", 0],
        ["192.0.2.2", 81],
        ["2001:db8::1", 82],
        ["2001:db8::2", 0],
      ],
    );
  });

  it("writes an IPv4 address in its IPv6 form as IPv4, like a peer's", () => {
    const texts = "::ffff:192.0.2.1, [::FFFF:192.0.2.2]:81, ::ffff:c000:203";
    assert.deepEqual(
      readForwardedLists(texts, null, null).map((hop) => [hop.address, hop.port]),
      [
        ["192.0.2.1", 0],
        ["192.0.2.2", 81],
        ["192.0.2.3", 0],
      ],
    );
    assert.equal(readForwarded('for="[::ffff:192.0.2.1]:80"')[0]?.address, "192.0.2.1");
  });

  it("joins lists of equal length member by member", () => {
    const hops = readForwardedLists("192.0.2.1, 192.0.2.2", "https, http", "a, b");
    assert.deepEqual(
      hops.map((hop) => [hop.proto, hop.host]),
      [
        ["https", "a"],
        ["http", "b"],
      ],
    );
  });

  it("takes the last member of a list that has another length", () => {
    const hops = readForwardedLists("192.0.2.1, 192.0.2.2, 192.0.2.3", "http, HTTPS", "a");
    assert.deepEqual(
      hops.map((hop) => [hop.proto, hop.host]),
      Array.from({ length: 3 }, () => ["https", "a"]),
    );
  });

  it("makes one hop of a lone X-Forwarded-Proto", () => {
    assert.deepEqual(readForwardedLists(null, "https", null), [
      { address: "", port: 0, proto: "https", host: "" },
    ]);
  });

  it("has no hops where there are no fields", () => {
    assert.deepEqual(readForwardedLists(null, null, null), []);
  });

  it("looks at the last hops only when there are very many", () => {
    const many = Array.from({ length: 100 }, (_, i) => `192.0.2.${i}`).join(",");
    const hops = readForwardedLists(many, null, null);
    assert.equal(hops.length, MAX_HOPS);
    assert.equal(hops.at(-1)?.address, "192.0.2.99");
  });
});

describe("readForwarded", () => {
  it("reads elements, quoted strings and separators inside them (RFC 7239 §4)", () => {
    assert.deepEqual(
      readForwarded(
        'for="[2001:db8::1]:4711";Proto=HTTPS;host="a;b,c", for=192.0.2.43, for=unknown',
      ),
      [
        { address: "2001:db8::1", port: 4711, proto: "https", host: "a;b,c" },
        { address: "192.0.2.43", port: 0, proto: "", host: "" },
        { address: "unknown", port: 0, proto: "", host: "" },
      ],
    );
  });

  it("survives what is no Forwarded field at all", () => {
    for (const text of ['"', '"\\', ";;;", ",,,", "=", "for", 'for="', "for=;=;proto"])
      assert.ok(Array.isArray(readForwarded(text)));
  });

  it("looks at the last hops and pairs only when there are very many", () => {
    const many = Array.from({ length: 100 }, (_, i) => `for=192.0.2.${i}`).join(",");
    const hops = readForwarded(many);
    assert.equal(hops.length, MAX_HOPS);
    assert.equal(hops.at(-1)?.address, "192.0.2.99");
    const pairs = `${"a=b;".repeat(100)}for=192.0.2.1`;
    assert.equal(readForwarded(pairs)[0]?.address, "192.0.2.1");
    assert.equal(readForwarded(`for=192.0.2.2;${"a=b;".repeat(100)}`)[0]?.address, "");
  });

  it("reads an escape at the end of the field, and nothing but separators", () => {
    assert.equal(readForwarded('for=192.0.2.1,for="x\\').length, 2);
    assert.deepEqual(readForwarded(",;, ,"), [{ address: "", port: 0, proto: "", host: "" }]);
    assert.deepEqual(readForwardedLists(", ,,", null, null), []);
  });
});
