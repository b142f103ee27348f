// Ends that meet: of the connection and of a stream, of a response and of the body that it does not need.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import { until } from "../support/deadline.ts";
import {
  ACK,
  block,
  END_HEADERS,
  END_STREAM,
  frame,
  GET,
  POST,
  Type,
  uint32,
} from "./frame-client.ts";
import { OK, startHttp2Front } from "./front.ts";

const HEADER_TABLE_SIZE = 1;
const INITIAL_WINDOW_SIZE = 4;

test("frames of requests that came after the last GOAWAY are no fault (RFC 9113 §6.8)", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.headers(1, GET);
  await until("the request", () => front.exchanges.length === 1);
  void front.engine.drain();
  const ping = await client.next(({ type }) => type === Type.PING);
  client.write(frame(Type.PING, ACK, 0, ping.payload));
  await client.next(({ type, payload }) => type === Type.GOAWAY && payload.readUInt32BE(0) === 1);
  // Sent before the client has read GOAWAY; more than are remembered.
  for (let id = 3; id < 3 + 2 * 300; id += 2) client.headers(id, POST, false);
  client.data(3, "body");
  client.update(3, 10);
  client.write(frame(Type.HEADERS, END_HEADERS | END_STREAM, 3, block([["x-sum", "1"]])));
  client.write(frame(Type.RST_STREAM, 0, 5, uint32(8)));
  await client.ping();
  front.exchanges[0]?.respond(OK, Buffer.from("late"));
  assert.equal(String((await client.response(1)).body), "late");
  assert.equal(front.exchanges.length, 1);
});

test("no GOAWAY names a later request than the one before (RFC 9113 §6.8)", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.headers(1, GET);
  await until("the request", () => front.exchanges.length === 1);
  void front.engine.drain();
  front.pass(2000);
  await client.next(({ type, payload }) => type === Type.GOAWAY && payload.readUInt32BE(0) === 1);
  client.headers(3, GET);
  // A fault of the connection.
  client.write(frame(Type.PING, 0, 7, Buffer.alloc(8)));
  assert.equal((await client.goAway()).lastId, 1);
});

test("a response that the client takes slowly does not end with the body it has not needed", async (context) => {
  const body = Buffer.alloc(100_000, "x");
  const front = await startHttp2Front(
    context,
    (exchange) => {
      exchange.receive({ onBody: () => undefined, onBodyEnd: () => undefined });
      exchange.respond(OK, Buffer.from(body));
    },
    { bodyTimeoutMs: 10_000 },
  );
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 10_000]]);
  client.headers(1, POST, false);
  await until("a part", () => client.bodyOf(1).length === 10_000);
  client.update(0, 100_000);
  for (let sent = 10_000; sent < body.length; sent += 10_000) {
    front.pass(5000);
    client.update(1, 10_000);
    await until("more", () => client.bodyOf(1).length === sent + 10_000);
  }
  assert.deepEqual((await client.response(1)).body, body);
});

test("a response that waits for its client does not end with a fault of the body it has not needed", async (context) => {
  const body = Buffer.alloc(100_000, "x");
  const respond = (exchange: Exchange): void => exchange.respond(OK, Buffer.from(body));
  const front = await startHttp2Front(context, respond, { maxBodyBytes: 1000 });
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 10_000]]);
  client.headers(1, POST, false);
  client.headers(3, POST, false);
  client.update(0, 200_000);
  await until("parts", () => client.bodyOf(1).length + client.bodyOf(3).length === 20_000);
  client.data(1, Buffer.alloc(5000), true);
  client.data(3, "body");
  const trailers = block([["content-length", "4"]]);
  client.write(frame(Type.HEADERS, END_HEADERS | END_STREAM, 3, trailers));
  for (const id of [1, 3]) {
    client.update(id, 100_000);
    assert.ok((await client.response(id)).body.equals(body));
  }
  assert.equal(front.finished.length, 2);
});

test("a HEAD request that is refused gets no body (RFC 9110 §9.3.2)", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.connect();
  client.headers(1, [
    [":method", "HEAD"],
    ...GET.slice(1),
    ["content-type", "a"],
    ["content-type", "b"],
  ]);
  const { status, body } = await client.response(1);
  assert.deepEqual([status, body.length], [400, 0]);
});

test("what the windows still allow is sent to a client that has closed its side", async (context) => {
  const front = await startHttp2Front(context, (exchange) =>
    exchange.respond(OK, Buffer.alloc(12_000_000)),
  );
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 12_000_000]]);
  client.update(0, 12_000_000 - 65_535);
  client.socket.pause();
  client.headers(1, GET);
  await until("the request", () => front.exchanges.length === 1);
  client.socket.end();
  await until("the end", () => front.sockets[0]?.readableEnded === true);
  front.pass(1000);
  client.socket.resume();
  assert.equal((await client.response(1)).body.length, 12_000_000);
});

test("a table that shrinks and grows in one SETTINGS is told twice (RFC 7541 §4.2)", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.connect([
    [HEADER_TABLE_SIZE, 0],
    [HEADER_TABLE_SIZE, 4096],
  ]);
  client.headers(1, GET);
  await client.response(1);
  const head = client.of(1).find(({ type }) => type === Type.HEADERS);
  // Sizes 0 and 4096 (RFC 7541 §6.3).
  assert.equal(head?.payload.toString("hex", 0, 4), "203fe11f");
});
