// The forms of --bind, and what is said for the forms that people try.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { readBindAddress, readHost } from "../../src/config/bind-address.ts";

describe("readBindAddress", () => {
  for (const [text, host, port] of [
    ["127.0.0.1:8000", "127.0.0.1", 8000],
    ["localhost:0", "localhost", 0],
    ["[::1]:8000", "::1", 8000],
    ["[fe80::1%eth0]:80", "fe80::1%eth0", 80],
    [":65535", "0.0.0.0", 65_535],
    ["my-host.example:80", "my-host.example", 80],
  ] as const)
    test(`reads ${text}`, () =>
      assert.deepEqual(readBindAddress(text), { kind: "tcp", scheme: null, host, port }));

  for (const [text, scheme, host, port] of [
    ["https://[::]:443", "https", "::", 443],
    ["http://127.0.0.1:8000", "http", "127.0.0.1", 8000],
    ["HTTPS://:8443", "https", "0.0.0.0", 8443],
  ] as const)
    test(`reads ${text}`, () =>
      assert.deepEqual(readBindAddress(text), { kind: "tcp", scheme, host, port }));

  test("reads unix:PATH", () =>
    assert.deepEqual(readBindAddress("unix:/run/a:b.sock"), {
      kind: "unix",
      scheme: "http",
      path: "/run/a:b.sock",
    }));

  for (const [text, line] of [
    ["", /must be HOST:PORT/],
    ["8000", /for a port alone write :8000/],
    ["localhost", /the port is missing: localhost:8000/],
    ["::1", /an IPv6 address needs brackets/],
    ["::1:8000", /an IPv6 address needs brackets/],
    ["/run/a.sock", /for a Unix socket write unix:\/run\/a\.sock/],
    ["[127.0.0.1]:80", /no IPv6 address is in the brackets/],
    ["[::1]", /must be HOST:PORT/],
    ["host:65536", /port from 0 to 65535/],
    ["host:-1", /port from 0 to 65535/],
    ["host:", /port from 0 to 65535/],
    ["host:0x50", /port from 0 to 65535/],
    ["ftp://host:80", /must be HOST:PORT/],
    ["https://host", /the port is missing: host:8000/],
    ["https://host:443/", /without a path/],
    ["https://unix:/run/a", /must be unix:\/run\/a without https:\/\/.* no TLS/],
    ["https+unix:/run/a", /must be HOST:PORT/],
    ["a_b/c:80", /host name or an address/],
    ["-host:80", /host name or an address/],
    ["unix:", /must name a path/],
  ] as const)
    test(`refuses '${text}'`, () => assert.throws(() => readBindAddress(text), line));
});

describe("readHost", () => {
  test("takes an IPv6 address with or without brackets", () => {
    assert.equal(readHost("::"), "::");
    assert.equal(readHost("[::]"), "::");
  });
  test("refuses a port", () => assert.throws(() => readHost("a:80"), /host name/));
});
