// Names that certificates can be ordered for, and how each kind is proved.

import assert from "node:assert/strict";
import { test } from "node:test";

import { challengeTypes, readIdentifier, refusalOf } from "../../src/acme/certificate-names.ts";

const WEB = { http: true, https: true, dns: false };
const NOTHING = { http: false, https: false, dns: false };
const ALL = { http: true, https: true, dns: true };

test("names are read in lower case, addresses in their one form", () => {
  assert.deepEqual(readIdentifier("Www.Example.com"), { type: "dns", value: "www.example.com" });
  assert.deepEqual(readIdentifier("*.example.com"), { type: "dns", value: "*.example.com" });
  assert.deepEqual(readIdentifier("xn--bcher-kva.example"), {
    type: "dns",
    value: "xn--bcher-kva.example",
  });
  assert.deepEqual(readIdentifier("192.0.2.1"), { type: "ip", value: "192.0.2.1" });
  assert.deepEqual(readIdentifier("[2001:DB8:0:0::1]"), { type: "ip", value: "2001:db8::1" });
});

test("what no authority has a certificate for is no name", () => {
  const wrong = [
    "",
    "localhost",
    "a..example",
    "-a.example",
    "a_b.example",
    "a.example.",
    "*.com*",
  ];
  const more = [
    "www.*.example",
    "bücher.example",
    "a b.example",
    "fe80::1%eth0",
    "example.com:443",
  ];
  const long = [`${"a".repeat(64)}.example`, `${"a.".repeat(127)}example`];
  for (const text of [...wrong, ...more, ...long]) assert.equal(readIdentifier(text), null, text);
});

test("a hook program comes first, then http-01, then tls-alpn-01", () => {
  const name = { type: "dns", value: "example.com" } as const;
  assert.deepEqual(challengeTypes(name, false, ALL), ["dns-01", "http-01", "tls-alpn-01"]);
  assert.deepEqual(challengeTypes(name, true, ALL), ["dns-01"]);
  assert.deepEqual(challengeTypes(name, true, WEB), []);
  const address = { type: "ip", value: "192.0.2.1" } as const;
  assert.deepEqual(challengeTypes(address, false, ALL), ["http-01", "tls-alpn-01"]);
});

test("a refusal names the option that is missing", () => {
  assert.equal(refusalOf([["example.com", "*.example.com"]], ALL), null);
  assert.match(
    refusalOf([["*.example.com"]], WEB) ?? "",
    /^\*\.example\.com needs --acme-dns-hook/,
  );
  assert.match(
    refusalOf([["example.com"]], NOTHING) ?? "",
    /no authority can check example\.com: listen on port 80 or 443, or give --acme-dns-hook$/,
  );
  assert.match(refusalOf([["192.0.2.1"]], { ...NOTHING, dns: true }) ?? "", /port 80 or 443$/);
  assert.match(refusalOf([["local\nhost"]], ALL) ?? "", /^"local\\nhost" is no name/);
  assert.match(refusalOf([[]], ALL) ?? "", /1 to 100 names, not 0/);
  const many = Array.from({ length: 1001 }, (_, at) => [`a${at}.example`]);
  assert.match(refusalOf(many, ALL) ?? "", /more than 1000/);
});
