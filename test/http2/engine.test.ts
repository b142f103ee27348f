// All connections together: deadlines by a clock of the test's, memory, and room for descriptors.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import { ConnectionMemory } from "../../src/net/connection-memory.ts";
import { until } from "../support/deadline.ts";
import { END_HEADERS, frame, GET, headers, POST, Type } from "./frame-client.ts";
import { countBody, OK, sayHello, startHttp2Front } from "./front.ts";

const INITIAL_WINDOW_SIZE = 4;
const NO_ERROR = 0;
const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;
const LARGE = 64_000_000;

const respondLarge = (exchange: Exchange): void => exchange.respond(OK, Buffer.alloc(100_000));

test("a connection without a request is closed after 10 s, an idle one after its time", async (context) => {
  const front = await startHttp2Front(context, sayHello, { keepAliveMs: 30_000 });
  const silent = await front.connect();
  const used = await front.connect();
  used.headers(1, GET);
  await used.response(1);
  front.pass(9000);
  assert.equal(front.engine.size, 2);
  front.pass(1500);
  assert.equal((await silent.goAway()).code, NO_ERROR);
  await used.ping();
  front.pass(18_000);
  await used.ping();
  front.pass(2000);
  assert.deepEqual(await used.goAway(), { lastId: 1, code: NO_ERROR, reason: "" });
});

test("a connection that runs a request is not idle, but a silent client is asked and then cut", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  const asked = await front.connect();
  client.headers(1, GET);
  asked.headers(1, GET);
  await until("the requests", () => front.exchanges.length === 2);
  front.pass(59_000);
  await asked.ping();
  front.pass(2000);
  await client.next(({ type }) => type === Type.PING);
  front.pass(58_000);
  await asked.ping();
  front.pass(5000);
  await until("the cut", () => client.isClosed);
  assert.deepEqual(front.heard, ["reset"]);
  front.exchanges[1]?.respond(OK, Buffer.from("late"));
  assert.equal(String((await asked.response(1)).body), "late");
});

test("a field block, or a frame, that is not whole after 10 s ends the connection", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const blocked = await front.connect();
  blocked.headers(1, GET);
  blocked.write(frame(Type.HEADERS, 0, 3));
  const partial = await front.connect();
  partial.headers(1, GET);
  partial.write(frame(Type.HEADERS, END_HEADERS, 3, Buffer.alloc(100)).subarray(0, 50));
  await until("the requests", () => front.exchanges.length === 2);
  front.pass(12_000);
  assert.equal((await blocked.goAway()).code, ENHANCE_YOUR_CALM);
  assert.equal((await partial.goAway()).code, ENHANCE_YOUR_CALM);
  await until("their end", () => front.finished.length === 2);
  assert.deepEqual(front.refused, ["FRAMES_TOO_MANY", "FRAMES_TOO_MANY"]);
});

test("a body that does not go on gets 408, and the connection goes on", async (context) => {
  const front = await startHttp2Front(context, countBody, { bodyTimeoutMs: 20_000 });
  const client = await front.connect();
  client.headers(1, POST, false);
  client.data(1, "some");
  await until("the request", () => front.exchanges[0]?.bytesReceived === 4);
  front.pass(25_000);
  assert.equal((await client.response(1)).status, 408);
  assert.equal(await client.resetCode(1), NO_ERROR);
  assert.deepEqual(front.heard, ["reset"]);
  client.headers(3, POST, false);
  client.data(3, "x", true);
  assert.equal((await client.response(3)).status, 200);
});

test("a body that no handler takes may be late", async (context) => {
  const front = await startHttp2Front(context, () => undefined, { bodyTimeoutMs: 20_000 });
  const client = await front.connect();
  client.headers(1, POST, false);
  await until("the request", () => front.exchanges.length === 1);
  front.pass(30_000);
  await client.ping();
  assert.equal(front.finished.length, 0);
});

test("a stream whose window stays closed for 60 s is reset, and the connection goes on", async (context) => {
  const front = await startHttp2Front(context, respondLarge);
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 100]]);
  client.headers(1, GET);
  client.headers(3, GET);
  await until("both", () => client.bodyOf(1).length + client.bodyOf(3).length === 200);
  front.pass(40_000);
  client.update(3, 100);
  await until("more", () => client.bodyOf(3).length === 200);
  front.pass(30_000);
  assert.equal(await client.resetCode(1), CANCEL);
  assert.equal(client.of(3).filter(({ type }) => type === Type.RST_STREAM).length, 0);
  await client.ping();
});

test("a window of the connection that stays closed for 60 s ends it", async (context) => {
  const front = await startHttp2Front(context, respondLarge);
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 1_000_000]]);
  client.headers(1, GET);
  await until("the window", () => client.bodyOf(1).length === 65_535);
  front.pass(50_000);
  await client.ping();
  front.pass(15_000);
  assert.equal((await client.goAway()).code, ENHANCE_YOUR_CALM);
});

test("a client that takes no byte for 60 s is cut", async (context) => {
  const front = await startHttp2Front(context, (exchange) => {
    exchange.respond(OK, Buffer.alloc(30_000_000));
  });
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]);
  client.update(0, 2 ** 31 - 1 - 65_535);
  client.socket.pause();
  client.headers(1, GET);
  await until("the response", () => front.finished.length === 1);
  const [socket] = front.sockets;
  // The kernel takes some of it first.
  let taken = -1;
  await until("a full socket", () => {
    const before = taken;
    taken = (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0);
    return before === taken && (socket?.writableLength ?? 0) > 0;
  });
  front.pass(61_000);
  assert.equal(front.engine.size, 0);
  assert.ok(front.isClean);
});

test("bodies that nobody takes give way when memory is short", async (context) => {
  const memory = new ConnectionMemory({ input: 200_000, heads: LARGE, output: LARGE });
  const front = await startHttp2Front(context, (exchange) => exchange.pauseBody(), { memory });
  const client = await front.connect();
  for (let id = 1; id <= 9; id += 2) {
    client.headers(id, POST, false);
    for (let i = 0; i < 4; i += 1) client.data(id, Buffer.alloc(16_000));
  }
  assert.equal((await client.response(1)).status, 503);
  assert.ok(front.heard.length > 0 && front.heard.every((how) => how === "reset"));
  await client.ping();
});

test("responses that a client does not take give way when memory is short", async (context) => {
  const memory = new ConnectionMemory({ input: LARGE, heads: LARGE, output: 400_000 });
  const front = await startHttp2Front(context, respondLarge, { memory });
  const greedy = await front.connect([[INITIAL_WINDOW_SIZE, 1]]);
  for (let id = 1; id <= 9; id += 2) greedy.headers(id, GET);
  await until("the resets", async () => {
    await greedy.ping();
    front.pass(250);
    return greedy.frames.some(({ type }) => type === Type.RST_STREAM);
  });
  assert.equal(await greedy.resetCode(1), CANCEL);
  const other = await front.connect();
  other.update(0, 1_000_000);
  other.update(0, 1_000_000);
  other.headers(1, GET);
  other.update(1, 100_000);
  assert.equal((await other.response(1)).body.length, 100_000);
});

test("many large heads give way when memory is short", async (context) => {
  const memory = new ConnectionMemory({ input: LARGE, heads: 60_000, output: LARGE });
  const front = await startHttp2Front(context, () => undefined, { memory });
  const client = await front.connect();
  const long = [...POST, ["x-long", "x".repeat(10_000)]] as const;
  client.headers(1, long, false);
  client.headers(3, long, false);
  client.headers(5, long, false);
  client.headers(7, long, false);
  // Those that lack their body get 503; a head for which there is no room is not taken at all.
  const statuses = await Promise.all([1, 3, 5].map((id) => client.response(id)));
  assert.deepEqual(
    statuses.map(({ status }) => status),
    [503, 503, 503],
  );
  assert.equal((await client.response(7)).status, 431);
});

test("the connections that have been idle longest make room for others", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const [busy, idle] = [await front.connect(), await front.connect()];
  busy.headers(1, GET);
  await until("the request", () => front.exchanges.length === 1);
  front.pass(250);
  assert.equal(front.engine.closeOldestIdle(5), 1);
  await until("the end", () => idle.isClosed);
  assert.equal(front.engine.size, 1);
});

test("an engine that ends at once tells the handlers", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.write(headers(1, GET), headers(3, GET));
  await until("the requests", () => front.exchanges.length === 2);
  front.engine.destroyAll();
  assert.deepEqual(
    [front.heard, front.finished.length, front.engine.size],
    [["reset", "reset"], 2, 0],
  );
});
