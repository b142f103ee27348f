// Who has to begin a connection with a PROXY header, and who may not.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "../support/deadline.ts";
import { RawClient } from "../support/raw-client.ts";
import { TlsServer } from "./tls-server.ts";

const HEADER = "PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\n";
const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

for (const [name, bytes] of [
  ["a request", REQUEST],
  ["a handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
] as const)
  test(`a proxy that begins with ${name} instead of a header is closed: a client could write one`, async (t) => {
    const arrivals = { mayBeProxy: () => true };
    const server = await TlsServer.start(t, { certificates: [], scheme: "http", arrivals });
    const client = await RawClient.connect({ port: server.port });
    client.write(bytes);
    await until("the connection is closed", () => client.state !== "open");
    assert.equal(client.waiting, 0);
    assert.equal(await server.failure(), "PROXY header missing");
  });

test("a second header is a bad request: the first proxy alone is believed", async (t) => {
  const arrivals = { mayBeProxy: () => true };
  const server = await TlsServer.start(t, { certificates: [], scheme: "http", arrivals });
  const client = await RawClient.connect({ port: server.port });
  client.write(HEADER + HEADER + REQUEST);
  assert.equal((await client.readResponse()).status, 400);
  client.destroy();
});

test("from a peer that is no proxy a header is a bad request", async (t) => {
  const arrivals = { mayBeProxy: () => false };
  const server = await TlsServer.start(t, { certificates: [], scheme: "http", arrivals });
  const client = await RawClient.connect({ port: server.port });
  client.write(HEADER + REQUEST);
  assert.equal((await client.readResponse()).status, 400);
  client.destroy();
});
