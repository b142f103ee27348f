// Responses to a handshake that an application writes by itself: which are accepted, and which are a fault.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ResponseFault } from "../../src/http/response-head.ts";
import { acceptKey, type Handshake } from "../../src/websocket/handshake.ts";
import { MAX_UPGRADE_HEAD_BYTES } from "../../src/websocket/limits.ts";
import { readUpgradeHead, type UpgradeHead } from "../../src/websocket/upgrade-head.ts";
import { KEY } from "./frames.ts";

const HANDSHAKE: Handshake = {
  kind: "handshake",
  key: KEY,
  subprotocols: ["chat", "super"],
  deflateOffers: [],
};
const ACCEPT = `Sec-WebSocket-Accept: ${acceptKey(KEY)}`;
const LINES = ["Upgrade: websocket", "Connection: Upgrade", ACCEPT];

function head(lines: readonly string[], first = "HTTP/1.1 101 Switching Protocols"): string {
  return `${[first, ...lines].join("\r\n")}\r\n\r\n`;
}

function read(text: string): UpgradeHead | null {
  return readUpgradeHead(Buffer.from(text, "latin1"), HANDSHAKE);
}

test("reads what a library writes; Upgrade and Connection are the front's to send", () => {
  const written = head(["upgrade:WebSocket", "CONNECTION: upgrade ", ACCEPT, "X-A: ä b", "X-B:"]);
  const found = read(`${written}\x81\x01a`);
  assert.equal(found?.length, written.length);
  assert.equal(found.head.status, 101);
  assert.equal(found.head.reason, "Switching Protocols");
  assert.deepEqual(found.head.names, ["Sec-WebSocket-Accept", "X-A", "X-B"]);
  assert.deepEqual(found.head.values, [acceptKey(KEY), "ä b", ""]);
});

for (const first of ["HTTP/1.1 101 ", "HTTP/1.1 101"])
  test(`takes a status line without a reason: "${first}"`, () => {
    assert.equal(read(head(LINES, first))?.head.reason, "");
  });

test("takes a subprotocol that the client has named", () => {
  const found = read(head([...LINES, "Sec-WebSocket-Protocol: super"]));
  assert.ok(found?.head.names.includes("Sec-WebSocket-Protocol"));
});

test("refuses a handshake of HTTP/2, which has no key to accept", () => {
  const bytes = Buffer.from(head(LINES));
  assert.throws(() => readUpgradeHead(bytes, { ...HANDSHAKE, key: null }), ResponseFault);
});

test("waits until the head is whole", () => {
  const written = head(LINES);
  for (let end = 0; end < written.length; end += 1) assert.equal(read(written.slice(0, end)), null);
  assert.notEqual(read(written), null);
});

for (const [what, written] of [
  ["another status", head(LINES, "HTTP/1.1 200 OK")],
  ["another version", head(LINES, "HTTP/1.0 101 Switching Protocols")],
  ["a frame instead of a head", `\x81\x02hi${head(LINES)}`],
  ["a control character in the reason", head(LINES, "HTTP/1.1 101 a\x01b")],
  ["no Upgrade", head(LINES.slice(1))],
  ["another Upgrade", head(["Upgrade: h2c", ...LINES.slice(1)])],
  ["two Upgrades", head(["Upgrade: websocket", ...LINES])],
  ["no Connection", head(["Upgrade: websocket", ACCEPT])],
  ["no accept key", head(LINES.slice(0, 2))],
  ["another accept key", head([...LINES.slice(0, 2), `${ACCEPT.slice(0, -2)}A=`])],
  ["two accept keys", head([...LINES, ACCEPT])],
  ["a subprotocol that nobody named", head([...LINES, "Sec-WebSocket-Protocol: other"])],
  [
    "two subprotocols",
    head([...LINES, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: super"]),
  ],
  ["a length", head([...LINES, "Content-Length: 0"])],
  ["a transfer coding", head([...LINES, "Transfer-Encoding: chunked"])],
  ["a line that is no field", head([...LINES, "nothing"])],
  ["a folded line", head([...LINES, "X: a", " b"])],
  ["a blank before the colon", head([...LINES, "X : a"])],
  ["a name that is no token", head([...LINES, "X(: a"])],
  ["a NUL in a value", head([...LINES, "X: a\0b"])],
  ["a bare CR in a value", head([...LINES, "X: a\rY: b"])],
  ["a bare LF in a value", head([...LINES, "X: a\nY: b"])],
  ["too many fields", head([...LINES, ...Array<string>(260).fill("X: a")])],
  ["too many bytes", head([...LINES, `X: ${"a".repeat(MAX_UPGRADE_HEAD_BYTES)}`])],
  ["too many bytes without an end", "a".repeat(MAX_UPGRADE_HEAD_BYTES + 1)],
] as const)
  test(`refuses ${what}`, () => {
    assert.throws(() => read(written), ResponseFault);
  });
