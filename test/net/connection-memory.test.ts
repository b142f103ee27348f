// Bytes that clients make an engine keep, over real sockets: at the limit of all connections together those that have
// waited longest for their client give way, and nobody else is touched.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import type { Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import {
  ConnectionMemory,
  memoryLimits,
  type MemoryLimits,
} from "../../src/net/connection-memory.ts";
import type { Http1Options } from "../../src/http1/engine.ts";
import { until } from "../support/deadline.ts";
import type { RawClient } from "../support/raw-client.ts";
import { type RecordingFront, startRecordingFront } from "../support/recording-front.ts";

const OK = responseHead(200, "OK", []);
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const WIDE: MemoryLimits = { input: 1e9, heads: 1e9, output: 1e9 };

interface Crowd extends RecordingFront {
  readonly exchanges: Exchange[];
  readonly refused: string[];
  /** The clock of the engine ticks. */
  tick(): void;
  /** A client that sends `bytes`; resolves when the front has them. */
  send(bytes: string): Promise<RawClient>;
}

async function crowd(
  context: TestContext,
  limits: Partial<MemoryLimits>,
  handle: Http1Options["onExchange"] = () => undefined,
): Promise<Crowd> {
  const exchanges: Exchange[] = [];
  const refused: string[] = [];
  let now = 1000;
  let received = 0;
  const front = await startRecordingFront({
    memory: new ConnectionMemory({ ...WIDE, ...limits }),
    now: () => now,
    onExchange: (exchange) => {
      exchanges.push(exchange);
      handle(exchange);
    },
    onRefused: ({ code }) => refused.push(code),
  });
  context.after(() => front.close());
  return {
    ...front,
    exchanges,
    refused,
    tick: () => {
      now += 250;
      front.connections.tick();
    },
    send: async (bytes) => {
      const client = await front.connect();
      const socket = await until("the front's socket", () => front.sockets[received]);
      received += 1;
      client.write(bytes);
      await until("the bytes", () => socket.bytesRead >= bytes.length || socket.destroyed);
      return client;
    },
  };
}

test("the limits are those of the machine or of its control group", () => {
  assert.deepEqual(memoryLimits(512 << 20), {
    input: 32 << 20,
    heads: 32 << 20,
    output: 64 << 20,
  });
  assert.equal(memoryLimits(16 * 2 ** 30).output, 2 * 2 ** 30);
});

test("incomplete heads: the oldest get 431", async (context) => {
  const front = await crowd(context, { input: 115_000 }, (exchange) =>
    exchange.respond(OK, Buffer.alloc(0)),
  );
  const head = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(30_000)}`;
  const clients: RawClient[] = [];
  for (let count = 0; count < 4; count += 1) {
    clients.push(await front.send(head));
    front.tick();
  }
  const [first, ...others] = clients;
  const answer = await first?.readResponse();
  assert.equal(answer?.status, 431);
  assert.match(answer.text, /NO_HEAD_MEMORY/);
  assert.deepEqual(front.refused, ["NO_HEAD_MEMORY"]);
  for (const client of others) {
    assert.equal(client.waiting, 0);
    assert.equal((await client.ask("\r\n\r\n")).status, 200);
  }
  // What was given back can be used again.
  const again = await front.send(head);
  assert.equal((await again.ask("\r\n\r\n")).status, 200);
  assert.equal(front.refused.length, 1);
});

test("incomplete heads: memory of clients that have left, or were refused, is free again", async (context) => {
  const front = await crowd(context, { input: 100_000 });
  const head = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(30_000)}`;
  for (let count = 0; count < 20; count += 1) {
    const client = await front.send(count % 2 === 0 ? head : `${head}\n`);
    if (count % 2 !== 0) await until("the refusal", () => client.waiting > 0);
    client.destroy();
    await until("it is gone", () => front.connections.size === 0);
  }
  assert.deepEqual(new Set(front.refused), new Set(["LINE_END_INVALID"]));
});

test("large heads of requests whose body does not come: the oldest get 503", async (context) => {
  const front = await crowd(context, { heads: 230_000 });
  const request = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: ${"x".repeat(30_000)}\r\n\r\n`;
  const clients: RawClient[] = [];
  for (let count = 0; count < 4; count += 1) {
    clients.push(await front.send(request));
    front.tick();
  }
  const answer = await clients[0]?.readResponse();
  assert.equal(answer?.status, 503);
  assert.match(answer.text, /NO_INPUT_MEMORY/);
  for (const exchange of front.exchanges.slice(1)) {
    assert.equal(exchange.isFinished, false);
    exchange.respond(OK, Buffer.alloc(0));
  }
  for (const client of clients.slice(1)) assert.equal((await client.readResponse()).status, 200);
});

test("large heads of running requests are never given up: a further one is refused, a small one is not", async (context) => {
  const front = await crowd(context, { heads: 100_000 });
  const request = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(30_000)}\r\n\r\n`;
  const running = [await front.send(request), await front.send(request)];
  const third = await front.send(request);
  assert.equal((await third.readResponse()).status, 431);
  await front.send(GET);
  assert.equal(front.exchanges.length, 3);
  for (const exchange of front.exchanges) exchange.respond(OK, Buffer.alloc(0));
  for (const client of running) assert.equal((await client.readResponse()).status, 200);
  assert.equal(front.refused.length, 1);
  await front.send(request);
  await until("there is room again", () => front.exchanges.length === 4);
});

test("a head does not keep the bytes that came behind it", async (context) => {
  // The text of the whole read would be counted as the head's.
  const front = await crowd(context, { heads: 1 });
  await front.send(
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n${"x".repeat(20_000)}`,
  );
  assert.equal(front.exchanges.length, 1);
  assert.equal(front.refused.length, 0);
});

test("pipelined requests: the oldest connection drops them and closes behind its response", async (context) => {
  const front = await crowd(context, { input: 50_000 });
  const clients: RawClient[] = [];
  for (let count = 0; count < 2; count += 1) {
    clients.push(await front.send(GET + GET.repeat(1000)));
    front.tick();
  }
  await turn();
  for (const exchange of front.exchanges.slice(0, 2)) exchange.respond(OK, Buffer.alloc(0));
  const [first, second] = clients;
  const answer = await first?.readResponse();
  assert.equal(answer?.status, 200);
  assert.deepEqual(answer.fields.get("connection"), ["close"]);
  assert.equal((await first?.readUntilCut())?.length, 0);
  assert.equal((await second?.readResponse())?.fields.get("connection"), undefined);
  await until("the second goes on", () => front.exchanges.length === 3);
});

for (const [name, rest] of [
  ["trailers", `0\r\nX: ${"x".repeat(30_000)}`],
  ["chunk extensions", `1;${"x".repeat(4000)}`],
] as const)
  test(`incomplete ${name}: the oldest get 503`, async (context) => {
    const front = await crowd(context, { input: 2.5 * rest.length }, (exchange) =>
      exchange.receive({ onBody: () => undefined, onBodyEnd: () => undefined }),
    );
    const request = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${rest}`;
    const clients: RawClient[] = [];
    for (let count = 0; count < 3; count += 1) {
      clients.push(await front.send(request));
      front.tick();
    }
    assert.equal((await clients[0]?.readResponse())?.status, 503);
    assert.deepEqual(
      front.exchanges.map(({ isFinished }) => isFinished),
      [true, false, false],
    );
  });

test("responses that are not read: the client that has read nothing for longest is cut", async (context) => {
  const body = 8 << 20;
  const front = await crowd(context, { output: 2.5 * body }, (exchange) =>
    exchange.respond(OK, Buffer.alloc(body)),
  );
  const stuck: RawClient[] = [];
  for (let count = 0; count < 3; count += 1) {
    const client = await front.connect();
    client.socket.pause();
    client.write(GET);
    await until("the response", () => front.exchanges.length === count + 1);
    stuck.push(client);
    front.tick();
  }
  await until("the first is cut", () => front.sockets[0]?.destroyed);
  assert.equal(front.sockets[1]?.destroyed, false);
  assert.equal(front.sockets[2]?.destroyed, false);
  for (const client of stuck.slice(1)) {
    client.socket.resume();
    assert.equal((await client.readResponse()).body.length, body);
  }
  // All of it has been given back.
  for (let count = 0; count < 5; count += 1) {
    const client = await front.connect();
    assert.equal((await client.ask(GET)).body.length, body);
    client.destroy();
  }
});
