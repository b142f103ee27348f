// What one connection does, over real sockets: order, persistence, 100 Continue, bodies, half-closed
// clients, and how it ends.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { listen } from "../../src/front/listener.ts";
import { ERRORS } from "../../src/http/error.ts";
import type { BodyReceiver, Exchange } from "../../src/http/exchange.ts";
import type { ResponseHead } from "../../src/http/message.ts";
import { checkedHead, responseHead } from "../../src/http/response-head.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { until, within } from "../support/deadline.ts";
import { RawClient } from "../support/raw-client.ts";
import { type RecordingFront, startRecordingFront } from "../support/recording-front.ts";

const OK = responseHead(200, "OK", []);
const NOTHING: BodyReceiver = { onBody: () => undefined, onBodyEnd: () => undefined };

let front: RecordingFront;
let client: RawClient;
/** Exchanges in the order in which they came; a test answers them itself. */
let exchanges: Exchange[] = [];
let finished: Exchange[] = [];
let refused: string[] = [];
/** What a handler does at once, if anything. */
let handle: (exchange: Exchange) => void = () => undefined;

before(async () => {
  front = await startRecordingFront({
    maxBodyBytes: 1_000_000,
    onExchange: (exchange) => {
      exchanges.push(exchange);
      handle(exchange);
    },
    onFinish: (exchange) => finished.push(exchange),
    onRefused: (error) => refused.push(error.code),
  });
});
after(() => front.close());

beforeEach(async (context) => {
  exchanges = [];
  finished = [];
  refused = [];
  handle = () => undefined;
  client = await front.connect();
  if ("after" in context) context.after(() => client.destroy());
});

function get(path: string, fields = "", version = "1.1"): string {
  return `GET ${path} HTTP/${version}\r\nHost: a\r\n${fields}\r\n`;
}

async function exchangeAt(index: number): Promise<Exchange> {
  return await until(`exchange ${index}`, () => exchanges[index]);
}

/** Hears what happens to an exchange. */
function listenTo(exchange: Exchange): string[] {
  const heard: string[] = [];
  exchange.listener = {
    onDrain: () => heard.push("drain"),
    onGone: (how) => heard.push(how),
  };
  return heard;
}

/** Collects a body. */
function collect(exchange: Exchange): { chunks: Buffer[]; isWhole: boolean } {
  const body = { chunks: [] as Buffer[], isWhole: false };
  exchange.receive({
    onBody: (chunk) => body.chunks.push(Buffer.from(chunk)),
    onBodyEnd: () => {
      body.isWhole = true;
    },
  });
  return body;
}

test("pipelined requests are begun one after the other and answered in order", async () => {
  client.write(get("/1") + get("/2") + get("/3"));
  for (let index = 0; index < 3; index += 1) {
    const exchange = await exchangeAt(index);
    await turn();
    assert.equal(exchanges.length, index + 1);
    exchange.respond(OK, Buffer.from(exchange.head.path));
    assert.equal((await client.readResponse()).text, `/${index + 1}`);
  }
});

test("a flood of pipelined requests that are answered at once needs no deep stack", async () => {
  handle = (exchange) => exchange.respond(OK, Buffer.from("x"));
  const count = 20_000;
  client.write(get("/").repeat(count));
  for (let index = 0; index < count; index += 1)
    assert.equal((await client.readResponse()).text, "x");
});

test("what is pipelined beyond the read-ahead waits in the kernel", async () => {
  client.write(get("/1"));
  const exchange = await exchangeAt(0);
  for (let i = 0; i < 20_000 && client.socket.writableLength < 1_000_000; i += 1)
    client.write(get("/2", `X: ${"y".repeat(4000)}\r\n`));
  await until("the server stops reading", () => client.socket.writableLength > 0);
  assert.equal(exchanges.length, 1);
  exchange.respond(OK, Buffer.alloc(0));
  handle = (next) => next.respond(OK, Buffer.alloc(0));
  await until("the rest is read", () => exchanges.length > 100);
});

test("a large answer comes whole, and small ones before and after it in order", async () => {
  const large = (): Buffer => Buffer.alloc(5_000_000, "0123456789");
  handle = (exchange) =>
    exchange.respond(OK, exchange.head.path === "/large" ? large() : Buffer.from("small"));
  client.write(get("/small") + get("/large") + get("/small"));
  assert.equal((await client.readResponse()).text, "small");
  assert.ok((await client.readResponse()).body.equals(large()));
  assert.equal((await client.readResponse()).text, "small");
});

test("a stream without length is chunked in 1.1 and ends the connection in 1.0", async () => {
  handle = (exchange) => {
    exchange.start(OK);
    exchange.write(Buffer.from("one "));
    exchange.write(Buffer.alloc(0));
    exchange.write(Buffer.alloc(20_000, "x"));
    exchange.end();
  };
  const chunked = await client.get("/");
  assert.deepEqual(chunked.fields.get("transfer-encoding"), ["chunked"]);
  assert.equal(chunked.text, `one ${"x".repeat(20_000)}`);
  client.write(get("/", "Connection: keep-alive\r\n", "1.0"));
  const old = await client.readResponse();
  assert.deepEqual(old.fields.get("connection"), ["close"]);
  assert.equal(old.fields.get("transfer-encoding"), undefined);
  assert.equal(old.text, `one ${"x".repeat(20_000)}`);
});

test("the head of a stream goes out when its body is late", async () => {
  client.write(get("/"));
  const exchange = await exchangeAt(0);
  exchange.start(OK);
  assert.equal((await client.readHead()).status, 200);
  exchange.write(Buffer.from("late"));
  assert.equal((await client.readChunk())?.toString(), "late");
  exchange.end();
  assert.equal(await client.readChunk(), null);
});

test("too many bytes for Content-Length, or too few, cut the connection", async () => {
  handle = (exchange) => {
    exchange.start(responseHead(200, "OK", [["Content-Length", "5"]]));
    exchange.write(Buffer.from("abc"));
    if (exchange.head.path === "/more") exchange.write(Buffer.from("defg"));
    exchange.end();
  };
  for (const path of ["/more", "/fewer"]) {
    const other = await front.connect();
    other.write(get(path) + get("/next"));
    const bytes = (await other.readUntilCut()).toString("latin1");
    assert.ok(!bytes.includes("defg"));
    assert.equal(bytes.split("HTTP/1.1").length - 1 <= 1, true, "no answer after the cut one");
    other.destroy();
  }
  assert.equal(exchanges.length, 2);
});

test("HTTP/1.0 closes after its answer, or stays open where it asked", async () => {
  handle = (exchange) => exchange.respond(OK, Buffer.from("x"));
  client.write(get("/", "Connection: keep-alive\r\n", "1.0"));
  assert.deepEqual((await client.readResponse()).fields.get("connection"), ["keep-alive"]);
  client.write(get("/", "", "1.0"));
  assert.deepEqual((await client.readResponse()).fields.get("connection"), ["close"]);
  assert.equal((await client.readUntilCut()).length, 0);
});

test("the application's Connection: close ends the connection, other options do not", async () => {
  const head = (connection: string): ResponseHead =>
    checkedHead(200, "OK", { names: [], values: [] }, connection);
  handle = (exchange) => exchange.respond(head(exchange.head.path.slice(1)), Buffer.alloc(0));
  for (const value of ["closed", "keep-alive", "x-close", "close-x"])
    assert.equal((await client.get(`/${value}`)).fields.get("connection"), undefined, value);
  for (const value of ["close", "Close", "x,close", "close,x"]) {
    const other = await front.connect();
    assert.deepEqual((await other.get(`/${value}`)).fields.get("connection"), ["close"], value);
    assert.equal((await other.readUntilCut()).length, 0);
    other.destroy();
  }
});

test("any response but 101 to a request for another protocol ends the connection", async () => {
  const request = get("/", "Upgrade: websocket\r\nConnection: Upgrade\r\n");
  const acts: ((exchange: Exchange) => void)[] = [
    (exchange) => exchange.respond(OK, Buffer.from("plain")),
    (exchange) => exchange.fail(ERRORS.QUEUE_FULL),
    ...Object.values(ERRORS)
      .filter(({ code }) => code.startsWith("WEBSOCKET_"))
      .map((error) => (exchange: Exchange) => exchange.fail(error)),
    (exchange) => {
      exchange.start(OK);
      exchange.end();
    },
  ];
  for (const act of acts) {
    handle = act;
    const other = await front.connect();
    other.write(request + get("/smuggled"));
    const response = await other.readResponse();
    assert.ok(response.fields.get("connection")?.includes("close"));
    assert.equal((await other.readUntilCut()).length, 0);
    other.destroy();
  }
  assert.equal(exchanges.length, acts.length);
});

test("100 Continue is sent when the body is wanted, and not before", async () => {
  client.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  const exchange = await exchangeAt(0);
  await turn();
  assert.equal(client.waiting, 0);
  const body = collect(exchange);
  assert.equal((await client.readHead()).status, 100);
  client.write("hello");
  await until("the body", () => body.isWhole);
  exchange.respond(OK, Buffer.from("x"));
  assert.equal((await client.readResponse()).status, 200);
});

test("no 100 Continue where the body has begun to come (RFC 9110 §10.1.1)", async () => {
  handle = (exchange) => {
    const body = {
      onBody: () => undefined,
      onBodyEnd: () => exchange.respond(OK, Buffer.alloc(0)),
    };
    exchange.receive(body);
  };
  client.write(
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
  );
  assert.equal((await client.readHead()).status, 200);
});

test("no 100 Continue inside a response: a body that is wanted late is not asked for", async () => {
  client.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  const exchange = await exchangeAt(0);
  exchange.start(OK);
  exchange.write(Buffer.from("one"));
  await client.readHead();
  exchange.receive(NOTHING);
  exchange.write(Buffer.from("two"));
  exchange.end();
  const rest = (await client.readUntilCut()).toString("latin1");
  assert.equal(rest, "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
});

test("an answer instead of 100 Continue ends the connection: the body may come or not", async () => {
  handle = (exchange) => exchange.respond(OK, Buffer.from("no"));
  client.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  assert.deepEqual((await client.readResponse()).fields.get("connection"), ["close"]);
  client.write(`hello${get("/next")}`);
  assert.equal((await client.readUntilCut()).length, 0);
  assert.equal(exchanges.length, 1);
});

test("a body over the limit is refused: at once by its length, later by its chunks", async () => {
  client.write(
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000001\r\n\r\n",
  );
  assert.equal((await client.readHead()).status, 413);
  assert.deepEqual(refused, ["BODY_TOO_LARGE"]);
  const other = await front.connect();
  handle = (exchange) => exchange.receive(NOTHING);
  other.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  const heard = listenTo(await exchangeAt(0));
  other.write("fffff\r\n");
  assert.equal((await other.readResponse()).status, 413);
  await until("the handler is told", () => heard.length > 0);
  assert.deepEqual(heard, ["reset"]);
  assert.deepEqual(
    finished.map((exchange) => exchange.status),
    [413],
  );
  other.destroy();
});

test("a client that goes on sending after a refusal still reads it", async () => {
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
  const block = Buffer.alloc(100_000, "x");
  for (let i = 0; i < 20; i += 1) {
    client.write(block);
    await turn();
  }
  const answer = await client.readResponse();
  assert.equal(answer.status, 413);
  assert.equal(
    await within(
      5000,
      client.readUntilCut().then((rest) => rest.length),
      "close",
    ),
    0,
  );
  assert.equal(client.state, "ended");
});

test("backpressure of the receiver reaches the client", async () => {
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
  const exchange = await exchangeAt(0);
  const body = collect(exchange);
  exchange.pauseBody();
  const held = body.chunks.length;
  // Two such bodies are more than the kernel's buffers on loopback hold; one of them must be read.
  const sent = client.send(Buffer.alloc(900_000, "y"));
  await turn();
  await turn();
  assert.ok(body.chunks.length <= held + 1);
  exchange.resumeBody();
  await sent;
  await until("the body", () => body.isWhole);
  assert.equal(Buffer.concat(body.chunks).length, 900_000);
  assert.equal(exchange.bytesReceived, 900_000);
});

test("a receiver that pauses at the end of the body does not stop the connection", async () => {
  client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`);
  const exchange = await exchangeAt(0);
  exchange.receive({
    onBody: () => exchange.pauseBody(),
    onBodyEnd: () => exchange.respond(OK, Buffer.from("1")),
  });
  assert.equal((await client.readResponse()).text, "1");
  handle = (next) => next.respond(OK, Buffer.from("2"));
  assert.equal((await client.get("/")).text, "2");
});

test("a body that comes before it is wanted is kept for its receiver", async () => {
  client.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  const exchange = await exchangeAt(0);
  client.write("1\r\n!\r\n0\r\n\r\n");
  client.write(get("/next"));
  await turn();
  const body = collect(exchange);
  await until("the body", () => body.isWhole);
  assert.equal(Buffer.concat(body.chunks).toString(), "hello!");
  exchange.respond(OK, Buffer.from("1"));
  assert.equal((await client.readResponse()).text, "1");
  assert.equal((await exchangeAt(1)).head.path, "/next");
});

test("a half-closed client that said close is answered, and no one is told", async () => {
  client.write(get("/", "Connection: close\r\n"));
  client.end();
  const exchange = await exchangeAt(0);
  const heard = listenTo(exchange);
  await turn();
  exchange.respond(OK, Buffer.from("still"));
  assert.equal((await client.readResponse()).text, "still");
  assert.equal((await client.readUntilCut()).length, 0);
  assert.deepEqual(heard, []);
});

test("a FIN after a whole request is told, and the answer is still given", async () => {
  client.write(get("/"));
  const exchange = await exchangeAt(0);
  const heard = listenTo(exchange);
  client.end();
  await until("the handler is told", () => heard.length > 0);
  assert.deepEqual(heard, ["end"]);
  exchange.respond(OK, Buffer.from("still"));
  assert.equal((await client.readResponse()).text, "still");
  assert.equal((await client.readUntilCut()).length, 0);
});

test("requests pipelined before a FIN are all answered", async () => {
  handle = (exchange) => setImmediate(() => exchange.respond(OK, Buffer.from(exchange.head.path)));
  client.write(get("/1") + get("/2") + get("/3"));
  client.end();
  for (const path of ["/1", "/2", "/3"]) assert.equal((await client.readResponse()).text, path);
  assert.equal((await client.readUntilCut()).length, 0);
});

test("a FIN inside a body is an error that the handler hears as a reset", async () => {
  handle = (exchange) => exchange.receive(NOTHING);
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  const heard = listenTo(await exchangeAt(0));
  client.end();
  assert.equal((await client.readResponse()).status, 400);
  assert.deepEqual(heard, ["reset"]);
  assert.equal((await client.readUntilCut()).length, 0);
});

test("a reset is told at once, and the exchange ends without a status", async () => {
  client.write(get("/"));
  const exchange = await exchangeAt(0);
  const heard = listenTo(exchange);
  client.socket.resetAndDestroy();
  await until("the handler is told", () => heard.length > 0);
  assert.deepEqual(heard, ["reset"]);
  assert.deepEqual(finished, [exchange]);
  assert.equal(exchange.status, 0);
  exchange.respond(OK, Buffer.from("nobody"));
  exchange.abort();
  assert.equal(finished.length, 1);
});

test("abort cuts a chunked answer so that the client can tell", async () => {
  client.write(get("/"));
  const exchange = await exchangeAt(0);
  exchange.start(OK);
  exchange.write(Buffer.from("part"));
  await client.readHead();
  exchange.abort();
  assert.ok(!(await client.readUntilCut()).toString("latin1").endsWith("0\r\n\r\n"));
  assert.deepEqual(finished, [exchange]);
});

test("what was written in the turn of an abort goes before the cut", async () => {
  client.write(get("/"));
  const exchange = await exchangeAt(0);
  exchange.start(OK);
  for (const part of ["one", "two"]) exchange.write(Buffer.from(part));
  exchange.abort();
  assert.ok((await client.readUntilCut()).toString("latin1").endsWith("3\r\none\r\n3\r\ntwo\r\n"));
});

test("small and large chunks of one turn keep their order", async () => {
  client.write(get("/"));
  const exchange = await exchangeAt(0);
  exchange.start(OK);
  const parts = [3, 20_000, 5, 8190, 1, 100_000, 2].map((size, at) => Buffer.alloc(size, 97 + at));
  for (const part of parts) exchange.write(Buffer.from(part));
  exchange.end();
  const answer = await client.readResponse();
  assert.ok(Buffer.from(answer.body).equals(Buffer.concat(parts)));
});

test("abort resets where the end of the connection is the end of the answer", async () => {
  client.write(get("/", "", "1.0"));
  const exchange = await exchangeAt(0);
  exchange.start(OK);
  exchange.write(Buffer.from("part"));
  await client.readHead();
  exchange.abort();
  await client.readUntilCut();
  assert.equal(client.state, "broken");
});

test("fail answers by the table; a whole request's connection goes on", async () => {
  handle = (exchange) =>
    exchange.fail(exchange.head.path === "/full" ? ERRORS.QUEUE_FULL : ERRORS.APPLICATION_ERROR);
  const full = await client.get("/full");
  assert.equal(full.status, 503);
  assert.deepEqual(full.fields.get("retry-after"), ["1"]);
  const failed = await client.get("/");
  assert.equal(failed.status, 500);
  assert.match(failed.text, /APPLICATION_ERROR/);
});

test("addresses of both ends are the exchange's", async () => {
  client.write(get("/"));
  const exchange = await exchangeAt(0);
  assert.deepEqual(
    [exchange.remoteAddress, exchange.remotePort, exchange.localAddress, exchange.localPort],
    ["127.0.0.1", client.socket.localPort, "127.0.0.1", front.port],
  );
});

test("over a Unix socket peers have no address, and an abort of any kind cuts", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "http1-"));
  const path = join(folder, "a.sock");
  const seen: Exchange[] = [];
  const connections = new Http1Engine({
    onExchange: (exchange) => {
      seen.push(exchange);
      exchange.start(OK);
      exchange.write(Buffer.from("part"));
      setImmediate(() => exchange.abort());
    },
  });
  const listener = await listen({ kind: "unix", path }, (socket) => connections.accept(socket));
  context.after(() => {
    listener.close();
    connections.destroyAll();
    rmSync(folder, { recursive: true });
  });
  for (const version of ["1.0", "1.1"]) {
    const local = await RawClient.connect({ path });
    local.write(get("/", "", version));
    await local.readUntilCut();
    local.destroy();
  }
  assert.deepEqual(
    seen.map((exchange) => [exchange.remoteAddress, exchange.remotePort, exchange.status]),
    [
      ["", 0, 200],
      ["", 0, 200],
    ],
  );
});
