// A stream that carries another protocol (RFC 8441): bytes and backpressure both ways, and its ends.

import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";

import type { UpgradedStream } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { until } from "../support/deadline.ts";
import { END_STREAM, type Field, type FrameClient, GET, Type } from "./frame-client.ts";
import { type Http2Front, OK, startHttp2Front } from "./front.ts";

const CANCEL = 8;
const NO_ERROR = 0;
const UPGRADE: readonly Field[] = [
  [":method", "CONNECT"],
  ...GET.slice(1),
  [":protocol", "websocket"],
];

interface Upgraded {
  readonly front: Http2Front;
  readonly client: FrameClient;
  readonly upgraded: UpgradedStream;
  readonly stream: Duplex;
}

async function upgrade(context: TestContext): Promise<Upgraded> {
  const found: UpgradedStream[] = [];
  const front = await startHttp2Front(context, (exchange) => {
    const one = exchange.upgrade(OK);
    if (one !== null) found.push(one);
  });
  const client = await front.connect();
  client.headers(1, UPGRADE, false);
  const upgraded = await until("the upgrade", () => found[0]);
  return { front, client, upgraded, stream: upgraded.stream };
}

/** Bytes of the client as they come. */
function listen(stream: Duplex): () => string {
  let all = "";
  stream.on("data", (bytes: Buffer) => (all += bytes.toString("latin1")));
  return () => all;
}

test("bytes go both ways, and both ends close the stream", async (context) => {
  const { front, client, stream } = await upgrade(context);
  const received = listen(stream);
  client.data(1, "ping");
  await until("the bytes", () => received() === "ping");
  stream.write("pong");
  await until("the answer", () => String(client.bodyOf(1)) === "pong");
  client.data(1, "", true);
  await until("the end", () => stream.readableEnded);
  assert.equal(front.finished.length, 0);
  stream.end("bye");
  await until("the close", () => stream.closed);
  assert.equal(String((await client.response(1)).body), "pongbye");
  const [exchange] = front.finished;
  assert.deepEqual([exchange?.bytesReceived, exchange?.bytesSent, exchange?.status], [4, 7, 200]);
  // A clean end has no reset, and the connection goes on.
  await client.ping();
  assert.ok(client.of(1).every(({ type }) => type !== Type.RST_STREAM));
});

test("our end comes first, and the client may still send", async (context) => {
  const { front, client, stream } = await upgrade(context);
  const received = listen(stream);
  stream.end();
  await client.next(
    ({ id, flags, type }) => id === 1 && type === Type.DATA && flags === END_STREAM,
  );
  client.data(1, "late", true);
  await until("the close", () => stream.closed);
  assert.equal(received(), "late");
  assert.deepEqual([front.heard, front.finished.length], [["reset"], 1]);
});

test("a write calls back when the client's window has let its bytes through", async (context) => {
  const { client, stream } = await upgrade(context);
  let isTaken = false;
  const bytes = Buffer.alloc(100_000, "x");
  stream.write(bytes, () => (isTaken = true));
  await until("the window", () => client.bodyOf(1).length === 65_535);
  await client.ping();
  assert.ok(!isTaken && stream.writableLength > 0);
  client.update(0, 100_000);
  client.update(1, 100_000);
  await until("the write", () => isTaken);
  // The memory is the writer's again, and the engine has not freed it.
  assert.equal(bytes.fill("y").length, 100_000);
  await until("the bytes", () => client.bodyOf(1).length === 100_000);
  assert.ok(client.bodyOf(1).equals(Buffer.alloc(100_000, "x")));
});

test("a stream that is paused gets no window, and its bytes in order afterwards", async (context) => {
  const { client, stream } = await upgrade(context);
  const received = listen(stream);
  // The upgrade has made the window larger.
  await client.next(({ type, id }) => type === Type.WINDOW_UPDATE && id === 1);
  stream.pause();
  const before = client.of(1).length;
  for (let i = 0; i < 10; i += 1) client.data(1, String(i).repeat(10_000));
  client.data(1, "end", true);
  await client.ping();
  assert.deepEqual([received(), client.of(1).length], ["", before]);
  stream.resume();
  await until("the end", () => stream.readableEnded);
  assert.match(received(), /^0{10000}1{10000}2{10000}3{10000}4{10000}5{10000}6+7+8+9+end$/);
});

test("bytes that came before the upgrade are handed over", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.headers(1, UPGRADE, false);
  client.data(1, "early");
  await client.ping();
  const upgraded = front.exchanges[0]?.upgrade(OK);
  assert.ok(upgraded !== null && upgraded !== undefined);
  const received = listen(upgraded.stream);
  assert.equal(String(upgraded.takeAhead()), "early");
  client.data(1, "late");
  await until("the bytes", () => received() === "late");
  assert.equal(upgraded.bytesReceived, 9);
});

test("a reset of the client closes the stream, and ends a write that waits", async (context) => {
  const { front, client, stream } = await upgrade(context);
  listen(stream);
  let failed: Error | null = null;
  stream.write(Buffer.alloc(100_000), (error) => (failed = error ?? null));
  await until("the window", () => client.bodyOf(1).length === 65_535);
  client.reset(1);
  await until("the close", () => stream.closed && failed !== null);
  assert.deepEqual([front.heard, front.finished.length], [["reset"], 1]);
  await client.ping();
  assert.ok(front.isClean);
});

test("a stream that is destroyed is reset", async (context) => {
  const { front, client, stream } = await upgrade(context);
  stream.destroy();
  assert.equal(await client.resetCode(1), CANCEL);
  assert.equal(front.finished.length, 1);
});

test("a refusal of the handshake is a response, and ends the stream for both", async (context) => {
  const front = await startHttp2Front(context, (exchange) => {
    exchange.respond(responseHead(404, "", []), Buffer.from("no"));
  });
  const client = await front.connect();
  client.headers(1, UPGRADE, false);
  assert.equal(String((await client.response(1)).body), "no");
  assert.equal(await client.resetCode(1), NO_ERROR);
});

test("an upgraded stream may be silent, and is not reset for a closed window", async (context) => {
  const { front, client, stream } = await upgrade(context);
  stream.write(Buffer.alloc(100_000));
  await until("the window", () => client.bodyOf(1).length === 65_535);
  client.update(0, 1_000_000);
  await client.ping();
  front.pass(50_000);
  await client.ping();
  front.pass(50_000);
  await client.ping();
  assert.ok(!stream.destroyed);
});
