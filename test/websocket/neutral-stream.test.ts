// A WebSocket needs a duplex stream and nothing of a socket: what a stream of HTTP/2 gives (RFC 8441).

import assert from "node:assert/strict";
import { duplexPair, type Duplex } from "node:stream";
import { test } from "node:test";

import type { UpgradedStream } from "../../src/http/exchange.ts";
import { BudgetShare } from "../../src/net/budget-share.ts";
import { MESSAGE_SHARE } from "../../src/websocket/connection.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";
import { acceptDeflate } from "../../src/websocket/deflate.ts";
import { WebSocketRelay } from "../../src/websocket/relay.ts";
import { until } from "../support/deadline.ts";
import { Accepted } from "./echo-front.ts";
import { ANY_WINDOW, binary, close, ping, text } from "./frames.ts";

interface Client {
  readonly stream: Duplex;
  /** All bytes that the server has sent. */
  readonly received: () => Buffer;
  readonly hasEnded: () => boolean;
}

function connect(ahead: Buffer = Buffer.alloc(0)): { client: Client; upgraded: UpgradedStream } {
  const [stream, served] = duplexPair();
  const chunks: Buffer[] = [];
  // The sender frees its bytes as soon as they are taken.
  stream.on("data", (chunk: Buffer) => chunks.push(Buffer.from(chunk)));
  const takeAhead = (): Buffer => ahead;
  const upgraded = { stream: served, takeAhead, bytesSent: 0, bytesReceived: 0 };
  const received = (): Buffer => Buffer.concat(chunks);
  return { client: { stream, received, hasEnded: () => stream.readableEnded }, upgraded };
}

function serve(ahead?: Buffer): { client: Client; accepted: Accepted } {
  const { client, upgraded } = connect(ahead);
  const deflate = acceptDeflate([ANY_WINDOW]);
  const share = new BudgetShare(new MemoryBudget(1_000_000), MESSAGE_SHARE);
  return { client, accepted: new Accepted(upgraded, { deflate, share, closeTimeoutMs: 50 }) };
}

const large = Buffer.alloc(300_000, "ab");
const unmasked = { mask: false } as const;

test("messages, pings and the client's close go over any duplex stream", async () => {
  const { client, accepted } = serve(ping("early"));
  client.stream.write(Buffer.concat([text("small"), close(4000, "bye")]));
  const expected = Buffer.concat([
    Buffer.from([0x8a, 5]),
    Buffer.from("early"),
    text("small", unmasked),
    close(4000, "bye", unmasked),
  ]);
  await until("the end", client.hasEnded);
  assert.deepEqual(client.received(), expected);
  client.stream.end();
  await until("the stream has closed", () => accepted.stream.closed);
  assert.deepEqual(accepted.closed, ["4000 bye"]);
});

test("a paused listener pauses the stream, and all messages come afterwards", async () => {
  const { client, accepted } = serve();
  const taken: number[] = [];
  accepted.take = (bytes) => {
    taken.push(bytes.length);
    accepted.connection.pause();
  };
  for (let count = 0; count < 5; count += 1) client.stream.write(binary(large));
  await until("the first", () => taken.length === 1 && accepted.stream.isPaused());
  await until("the client waits", () => client.stream.writableLength > 0);
  accepted.take = (bytes) => void taken.push(bytes.length);
  accepted.connection.resume();
  await until("the last", () => taken.length === 5);
  client.stream.destroy();
  accepted.stream.destroy();
  await until("the stream has closed", () => accepted.closed.length > 0);
  assert.deepEqual(accepted.closed, ["1006"]);
});

test("a client that does not reply to our close frame is cut", async () => {
  const { client, accepted } = serve();
  accepted.connection.close(1000, "");
  await until("the stream has closed", () => accepted.stream.closed);
  assert.deepEqual(client.received(), close(1000, "", unmasked));
  assert.deepEqual(accepted.closed, ["1006"]);
});

test("the relay joins any duplex stream to an application", async () => {
  const { client, upgraded } = connect(text("early"));
  const application = connect();
  let hasClosed = false;
  new WebSocketRelay({
    upgraded,
    application: application.upgraded.stream,
    first: text("first", unmasked),
    onClosed: () => (hasClosed = true),
  });
  client.stream.write(binary(large));
  await until("both have come", () => application.client.received().length > large.length);
  application.client.stream.write(close(1000, "", unmasked));
  await until("the close frame", () => client.received().length === 7 + 4);
  client.stream.end(close(1000));
  await until("the relay is over", () => hasClosed);
  assert.deepEqual(
    client.received(),
    Buffer.concat([text("first", unmasked), close(1000, "", unmasked)]),
  );
});
