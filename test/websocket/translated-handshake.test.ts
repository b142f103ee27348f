// A handshake of HTTP/2 as HTTP/1.1 has it, and its acceptance back.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { RequestHead } from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { acceptanceHead, readHandshake } from "../../src/websocket/handshake.ts";
import { toHttp1, toHttp2 } from "../../src/websocket/translated-handshake.ts";

const HEAD: RequestHead = {
  method: "CONNECT",
  target: "/ws",
  path: "/ws",
  query: "",
  version: "2",
  names: ["host", "sec-websocket-version", "sec-websocket-key", "sec-websocket-protocol"],
  values: ["a", "13", "x", "chat"],
  fields: 0,
  bodyLength: 0,
  protocol: "websocket",
};

test("becomes a handshake that HTTP/1.1 accepts, with another key each time", () => {
  const handshake = readHandshake(HEAD);
  assert(handshake?.kind === "handshake" && handshake.key === null);
  const [first, second] = [toHttp1(HEAD, handshake), toHttp1(HEAD, handshake)];
  assert.deepEqual(readHandshake(first.head), first.handshake);
  assert.equal(first.head.names.filter((name) => name === "sec-websocket-key").length, 1);
  assert.notEqual(first.handshake.key, second.handshake.key);
  assert.deepEqual(HEAD.values.at(2), "x");
});

test("the 101 becomes a 200 with the fields that HTTP/2 has", () => {
  const handshake = readHandshake(HEAD);
  assert(handshake?.kind === "handshake");
  const fields = [["X-A", "b"]] as const;
  const acceptance = { subprotocol: "chat", extensions: "", fields };
  const http1 = acceptanceHead(toHttp1(HEAD, handshake).handshake, acceptance);
  assert.equal(http1.status, 101);
  assert.deepEqual(toHttp2(http1), acceptanceHead(handshake, acceptance));
  assert.deepEqual(toHttp2(responseHead(101, "", [])), responseHead(200, "OK", []));
});
