// The PROXY header: each form of the specification, any split of its bytes, and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import {
  MAX_PROXY_HEADER_BYTES,
  readProxyHeader,
  type ProxyHeader,
} from "../../src/net/proxy-protocol.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const REQUEST = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

/** A header of version 2 from its command, family and body in hexadecimal. */
function version2(command: string, family: string, body: string, length = body.length / 2): Buffer {
  const size = length.toString(16).padStart(4, "0");
  return Buffer.from(SIGNATURE + command + family + size + body, "hex");
}

/** Each beginning asks for more; the whole header, and one with a request behind it, is read as `expected`. */
function assertRead(header: Buffer, expected: ProxyHeader): void {
  for (let end = 0; end < header.length; end += 1)
    assert.deepEqual(readProxyHeader(header.subarray(0, end)), { kind: "more" }, `${end} bytes`);
  assert.deepEqual(readProxyHeader(header), expected);
  assert.deepEqual(readProxyHeader(Buffer.concat([header, REQUEST])), expected);
}

function peers(length: number, remote: string, remotePort: number, local: string, port: number) {
  return {
    kind: "peers",
    length,
    peers: {
      remoteAddress: remote,
      remotePort,
      localAddress: local,
      localPort: port,
    },
  } as const;
}

test("reads version 1: TCP4, TCP6 and UNKNOWN", () => {
  const v4 = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
  assertRead(Buffer.from(v4), peers(v4.length, "192.0.2.1", 56_324, "198.51.100.7", 443));
  const v6 = "PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::ffff:192.0.2.9 65535 0\r\n";
  assertRead(Buffer.from(v6), peers(v6.length, "2001:db8::1", 65_535, "192.0.2.9", 0));
  for (const unknown of [
    "PROXY UNKNOWN\r\n",
    `PROXY UNKNOWN ${"ffff:".repeat(16)}ffff 65535\r\n`.slice(0, 105),
  ]) {
    const line = unknown.endsWith("\r\n") ? unknown : `${unknown}\r\n`;
    assertRead(Buffer.from(line), { kind: "local", length: line.length });
  }
});

test("reads version 2: TCP over IPv4 and IPv6, with and without values behind", () => {
  const v4 = version2("21", "11", "c0000201c6336407dc0401bb");
  assertRead(v4, peers(28, "192.0.2.1", 56_324, "198.51.100.7", 443));
  const valued = version2("21", "11", "c0000201c6336407dc0401bb030004a9b87e8f");
  assertRead(valued, peers(35, "192.0.2.1", 56_324, "198.51.100.7", 443));
  const mapped = "00000000000000000000ffffc0000201";
  const v6 = version2("21", "21", `20010db8000000000000000000000001${mapped}000100ff`);
  assertRead(v6, peers(52, "2001:db8::1", 1, "192.0.2.1", 255));
});

test("takes the socket's own addresses for LOCAL, a Unix socket and no family", () => {
  assertRead(version2("20", "00", ""), { kind: "local", length: 16 });
  assertRead(version2("20", "11", "c0000201c6336407dc0401bb"), { kind: "local", length: 28 });
  assertRead(version2("21", "00", "aabbcc"), { kind: "local", length: 19 });
  assertRead(version2("21", "31", "2f".repeat(216)), { kind: "local", length: 232 });
  const longest = version2("21", "31", "00".repeat(216 + 4096));
  assert.equal(longest.length, MAX_PROXY_HEADER_BYTES);
  assert.deepEqual(readProxyHeader(longest), { kind: "local", length: longest.length });
});

test("a connection without a header is one as soon as a byte differs", () => {
  for (const text of [
    "GET /",
    "PUT /",
    "PROPFIND",
    "PROXYGET",
    "PRI * HTTP/2.0",
    "\r\nGET",
    "\x16",
  ])
    assert.deepEqual(readProxyHeader(Buffer.from(text, "latin1")), { kind: "none" }, text);
  assert.deepEqual(readProxyHeader(Buffer.alloc(0)), { kind: "more" });
});

const BAD_LINES = [
  "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n\r\n",
  "PROXY  TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
  "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
  "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
  "PROXY TCP4 192.0.2.01 198.51.100.7 56324 443\r\n",
  "PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n",
  "PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n",
  "PROXY TCP4 192.0.2.1 198.51.100.7 -1 443\r\n",
  "PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n",
  "PROXY TCP6 192.0.2.1 198.51.100.7 1 443\r\n",
  "PROXY TCP6 fe80::1%eth0 2001:db8::2 1 443\r\n",
  "PROXY TCP5 192.0.2.1 198.51.100.7 1 443\r\n",
  "PROXY UDP4 192.0.2.1 198.51.100.7 1 443\r\n",
  "PROXY UNKNOWNS\r\n",
  "PROXY \r\n",
  `PROXY UNKNOWN ${"a".repeat(92)}\r\n`,
  `PROXY ${"a".repeat(200)}`,
];
for (const line of BAD_LINES)
  test(`refuses ${JSON.stringify(line.slice(0, 60))}`, () => {
    assert.deepEqual(readProxyHeader(Buffer.from(line)), { kind: "invalid" });
  });

const BAD_HEADERS = [
  ["version 1 in the binary form", version2("11", "11", "c0000201c6336407dc0401bb")],
  ["an unknown command", version2("22", "11", "c0000201c6336407dc0401bb")],
  ["datagrams", version2("21", "12", "c0000201c6336407dc0401bb")],
  ["an unknown family", version2("21", "41", "c0000201c6336407dc0401bb")],
  ["fewer bytes than addresses have", version2("21", "11", "c0000201c6336407dc04")],
  ["more values than the limit", version2("21", "11", "", 12 + 4097)],
  ["more values behind LOCAL than the limit", version2("20", "00", "", 4097)],
] as const;
for (const [name, header] of BAD_HEADERS)
  test(`refuses ${name} before its addresses have come`, () => {
    assert.deepEqual(readProxyHeader(header.subarray(0, 16)), { kind: "invalid" });
  });

test("never throws, and asks for more only below the longest header", () => {
  const begin = fc.constantFrom(SIGNATURE, Buffer.from("PROXY ").toString("hex"), "");
  fc.assert(
    fc.property(begin, fc.uint8Array({ maxLength: 300 }), (prefix, random) => {
      const bytes = Buffer.concat([Buffer.from(prefix, "hex"), random]);
      const read = readProxyHeader(bytes);
      if (read.kind === "peers" || read.kind === "local") assert(read.length <= bytes.length);
    }),
  );
  const filler = Buffer.alloc(MAX_PROXY_HEADER_BYTES);
  for (let family = 0; family < 256; family += 1)
    for (const command of ["20", "21"]) {
      const head = version2(command, family.toString(16).padStart(2, "0"), "", 4096);
      assert.notEqual(readProxyHeader(Buffer.concat([head, filler])).kind, "more");
    }
});
