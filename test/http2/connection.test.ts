// One connection: requests and responses as frames, windows, priorities, bodies, and how streams and connections
// end. The client sends every frame itself.

import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";

import { ERRORS } from "../../src/http/error.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { PING_AFTER_MS } from "../../src/http2/limits.ts";
import { until } from "../support/deadline.ts";
import {
  ACK,
  block,
  END_HEADERS,
  END_STREAM,
  type Field,
  frame,
  GET,
  headers,
  PADDED,
  POST,
  PREFACE,
  Type,
  uint32,
} from "./frame-client.ts";
import { countBody, OK, sayHello, startHttp2Front } from "./front.ts";

const INITIAL_WINDOW_SIZE = 4;
const Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  REFUSED_STREAM: 7,
  CANCEL: 8,
} as const;

const withPath = (path: string, ...more: Field[]): Field[] => [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", path],
  [":authority", "a"],
  ...more,
];

test("settings come first, and the client's are acknowledged", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.connect();
  assert.deepEqual(
    client.frames.map(({ type, flags }) => [type, flags]),
    [
      [Type.SETTINGS, 0],
      [Type.WINDOW_UPDATE, 0],
      [Type.SETTINGS, ACK],
    ],
  );
});

test("a request in any pieces has its response", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.open();
  const all = Buffer.concat([
    PREFACE,
    frame(Type.SETTINGS, 0, 0),
    frame(Type.HEADERS, END_STREAM, 1, block(GET.slice(0, 2))),
    frame(Type.CONTINUATION, END_HEADERS, 1, block(GET.slice(2))),
  ]);
  for (const byte of all) {
    client.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  const { status, body } = await client.response(1);
  assert.deepEqual([status, String(body)], [200, "hello"]);
  client.socket.destroy();
  await until("the end", () => front.engine.size === 0);
  assert.ok(front.isClean);
});

test("all responses of one turn are one write", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.connect();
  const [socket] = front.sockets;
  assert.ok(socket !== undefined);
  let writes = 0;
  const write = socket.write.bind(socket);
  socket.write = (...values: unknown[]): boolean => {
    writes += 1;
    return Reflect.apply(write, socket, values);
  };
  client.write(...[1, 3, 5, 7, 9].map((id) => headers(id, GET)));
  for (const id of [1, 3, 5, 7, 9]) assert.equal((await client.response(id)).status, 200);
  assert.equal(writes, 1);
});

test("a streamed response ends in its last frame, without an empty one", async (context) => {
  const front = await startHttp2Front(context, (exchange) => {
    exchange.start(OK);
    exchange.write(Buffer.from("one"));
    exchange.write(Buffer.from("two"));
    exchange.end();
  });
  const client = await front.connect();
  client.headers(1, GET);
  assert.equal(String((await client.response(1)).body), "onetwo");
  assert.deepEqual(
    client.of(1).map(({ type, flags }) => [type, flags]),
    [
      [Type.HEADERS, END_HEADERS],
      [Type.DATA, 0],
      [Type.DATA, END_STREAM],
    ],
  );
});

test("a head of more than a frame goes on in CONTINUATION", async (context) => {
  const long = responseHead(200, "OK", [
    ["x-a", "a".repeat(20_000)],
    ["x-b", "b".repeat(20_000)],
  ]);
  const front = await startHttp2Front(context, (exchange) =>
    exchange.respond(long, Buffer.from("ok")),
  );
  const client = await front.connect();
  client.headers(1, GET);
  assert.equal(String((await client.response(1)).body), "ok");
  const types = client.of(1).map(({ type }) => type);
  assert.deepEqual(types, [Type.HEADERS, Type.CONTINUATION, Type.CONTINUATION, Type.DATA]);
});

test("the window of a stream, and its changes, hold the body back", async (context) => {
  const front = await startHttp2Front(context, (exchange) =>
    exchange.respond(OK, Buffer.from("0123456789")),
  );
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 3]]);
  client.headers(1, GET);
  await client.next(({ type }) => type === Type.DATA);
  await client.ping();
  assert.equal(String(client.bodyOf(1)), "012");
  client.update(1, 2);
  await client.next(({ type }) => type === Type.DATA);
  assert.equal(String(client.bodyOf(1)), "01234");
  // From 3 to 6: three more for every stream.
  client.write(frame(Type.SETTINGS, 0, 0, Buffer.from([0, INITIAL_WINDOW_SIZE, 0, 0, 0, 6])));
  await client.next(({ type }) => type === Type.DATA);
  assert.equal(String(client.bodyOf(1)), "01234567");
  client.update(1, 100);
  assert.equal(String((await client.response(1)).body), "0123456789");
});

test("a smaller initial window may become negative", async (context) => {
  const front = await startHttp2Front(context, (exchange) =>
    exchange.respond(OK, Buffer.alloc(20, "x")),
  );
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 10]]);
  client.headers(1, GET);
  await client.next(({ type }) => type === Type.DATA);
  client.write(frame(Type.SETTINGS, 0, 0, Buffer.from([0, INITIAL_WINDOW_SIZE, 0, 0, 0, 4])));
  client.update(1, 6);
  await client.ping();
  assert.equal(client.bodyOf(1).length, 10);
  client.update(1, 10);
  assert.equal((await client.response(1)).body.length, 20);
});

test("the window of the connection holds all streams back, and is shared by urgency", async (context) => {
  const front = await startHttp2Front(context, (exchange) =>
    exchange.respond(OK, Buffer.alloc(100_000, exchange.head.path.slice(1))),
  );
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 1_000_000]]);
  client.write(
    headers(1, withPath("/a", ["priority", "u=5"])),
    headers(3, withPath("/b", ["priority", "u=1"])),
  );
  // The more urgent one takes the window of 65,535, and what it needs of more.
  const sent = (): [number, number] => [client.bodyOf(1).length, client.bodyOf(3).length];
  await until("the window", () => sent()[1] === 65_535);
  assert.equal(sent()[0], 0);
  client.update(0, 50_000);
  await until("more", () => sent()[0] + sent()[1] === 115_535);
  assert.deepEqual(sent(), [15_535, 100_000]);
  client.update(0, 1_000_000);
  assert.equal((await client.response(1)).body.length, 100_000);
});

test("PRIORITY_UPDATE changes the order (RFC 9218 §7.1)", async (context) => {
  const front = await startHttp2Front(context, (exchange) =>
    exchange.respond(OK, Buffer.alloc(100_000)),
  );
  const client = await front.connect([[INITIAL_WINDOW_SIZE, 1_000_000]]);
  client.write(headers(1, GET), headers(3, GET));
  await until("the window", () => client.bodyOf(1).length === 65_535);
  const update = Buffer.concat([uint32(3), Buffer.from("u=0")]);
  client.write(frame(Type.PRIORITY_UPDATE, 0, 0, update));
  client.update(0, 100_000);
  assert.equal((await client.response(3)).body.length, 100_000);
  assert.equal(client.bodyOf(1).length, 65_535);
});

test("a stream that is paused does not hold up another (RFC 9113 §5.2)", async (context) => {
  const front = await startHttp2Front(context, (exchange) => {
    if (exchange.head.path === "/paused") exchange.pauseBody();
    else countBody(exchange);
  });
  const client = await front.connect();
  client.headers(1, [[":method", "POST"], ...withPath("/paused").slice(1)], false);
  client.headers(3, POST, false);
  const piece = Buffer.alloc(16_000);
  for (let i = 0; i < 4; i += 1) client.data(1, piece);
  // More than the windows of the connection and of the stream together, with what they are given back.
  for (let sent = 0, window = 65_535; sent < 125; sent += 1) {
    for (; window < piece.length;) {
      const update = await client.next(({ type, id }) => type === Type.WINDOW_UPDATE && id === 3);
      window += update.payload.readUInt32BE(0);
    }
    window -= piece.length;
    client.data(3, piece, sent === 124);
  }
  assert.equal(String((await client.response(3)).body), "2000000");
  assert.equal(client.of(1).length, 0);
});

test("a paused body gets no window, and goes on from where it was", async (context) => {
  const chunks: Buffer[] = [];
  const front = await startHttp2Front(context, (exchange) =>
    exchange.receive({
      onBody: (chunk) => chunks.push(Buffer.from(chunk)),
      onBodyEnd: () => exchange.respond(OK, Buffer.from(String(Buffer.concat(chunks).length))),
    }),
  );
  const client = await front.connect();
  client.headers(1, POST, false);
  await client.ping();
  const [exchange] = front.exchanges;
  assert.ok(exchange !== undefined);
  exchange.pauseBody();
  const before = client.of(1).length;
  for (let i = 0; i < 4; i += 1) client.data(1, Buffer.alloc(16_000, String(i)));
  await client.ping();
  assert.deepEqual([chunks.length, client.of(1).length], [0, before]);
  client.data(1, "", true);
  await client.ping();
  exchange.resumeBody();
  assert.equal(String((await client.response(1)).body), "64000");
  assert.match(String(Buffer.concat(chunks)), /^0+1+2+3+$/);
});

test("padding counts in the windows, and is no part of the body", async (context) => {
  const front = await startHttp2Front(context, countBody);
  const client = await front.connect();
  client.headers(1, POST, false);
  const padded = Buffer.concat([Buffer.from([200]), Buffer.from("abc"), Buffer.alloc(200)]);
  // Each is 204 bytes for the window: without updates for padding the window would end.
  for (let i = 0; i < 1000; i += 1) client.write(frame(Type.DATA, PADDED, 1, padded));
  client.data(1, "", true);
  assert.equal(String((await client.response(1)).body), "3000");
});

test("100 Continue is sent when the handler asks for the body", async (context) => {
  const front = await startHttp2Front(context, countBody);
  const client = await front.connect();
  client.headers(1, [...POST, ["expect", "100-continue"]], false);
  const head = await client.next(({ type }) => type === Type.HEADERS);
  assert.deepEqual(head.fields, [[":status", "100"]]);
  client.data(1, "x", true);
  assert.equal((await client.response(1)).status, 200);
});

test("a body that is not as long as Content-Length says resets its stream", async (context) => {
  const front = await startHttp2Front(context, countBody);
  const client = await front.connect();
  const stated: Field[] = [...POST, ["content-length", "5"]];
  client.headers(1, stated, false);
  client.data(1, "123456");
  assert.equal(await client.resetCode(1), Code.PROTOCOL_ERROR);
  client.headers(3, stated, false);
  client.data(3, "1234", true);
  assert.equal(await client.resetCode(3), Code.PROTOCOL_ERROR);
  client.headers(5, stated, false);
  client.write(headers(5, [["x-sum", "1"]]));
  assert.equal(await client.resetCode(5), Code.PROTOCOL_ERROR);
  assert.deepEqual(front.heard, ["reset", "reset", "reset"]);
  assert.equal(front.finished.length, 3);
  client.headers(7, stated, false);
  client.data(7, "12345");
  client.write(headers(7, [["x-sum", "1"]]));
  assert.equal(String((await client.response(7)).body), "5");
});

test("a body above the limit gets 413, before its bytes or after them", async (context) => {
  const front = await startHttp2Front(context, countBody, { maxBodyBytes: 10 });
  const client = await front.connect();
  client.headers(1, [...POST, ["content-length", "11"]], false);
  assert.equal((await client.response(1)).status, 413);
  assert.equal(await client.resetCode(1), Code.NO_ERROR);
  client.headers(3, POST, false);
  client.data(3, "0123456789a");
  assert.equal((await client.response(3)).status, 413);
  assert.equal(await client.resetCode(3), Code.NO_ERROR);
  // What is on its way for a stream that was reset is no fault.
  client.data(3, "more");
  client.headers(5, POST, false);
  client.data(5, "short", true);
  assert.equal(String((await client.response(5)).body), "5");
});

test("a response before the end of the body ends the stream with NO_ERROR (RFC 9113 §8.1)", async (context) => {
  const front = await startHttp2Front(context, sayHello);
  const client = await front.connect();
  client.headers(1, POST, false);
  assert.equal(String((await client.response(1)).body), "hello");
  assert.equal(await client.resetCode(1), Code.NO_ERROR);
  assert.deepEqual([front.finished.length, front.heard.length], [1, 0]);
});

test("trailers of a request are checked and dropped", async (context) => {
  const front = await startHttp2Front(context, countBody);
  const client = await front.connect();
  const ask = (id: number, trailers: readonly Field[]): void => {
    client.headers(id, POST, false);
    client.data(id, "abc");
    client.headers(id, trailers);
  };
  ask(1, [["x-sum", "1"]]);
  assert.equal(String((await client.response(1)).body), "3");
  ask(3, [["content-length", "3"]]);
  const refused = await client.response(3);
  assert.match(String(refused.body), /FIELD_FORBIDDEN_IN_TRAILER/);
  ask(5, [["X-Sum", "1"]]);
  assert.equal(await client.resetCode(5), Code.PROTOCOL_ERROR);
  ask(7, [[":path", "/"]]);
  assert.equal(await client.resetCode(7), Code.PROTOCOL_ERROR);
});

test("a client's reset ends the exchange, and nothing more is sent on the stream", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.headers(1, GET);
  client.reset(1);
  await until("the end", () => front.finished.length === 1);
  assert.deepEqual(front.heard, ["reset"]);
  front.exchanges[0]?.respond(OK, Buffer.from("nobody"));
  await client.ping();
  assert.equal(client.of(1).length, 0);
});

test("a handler that gives up in the middle resets its stream alone", async (context) => {
  const front = await startHttp2Front(context, (exchange) => {
    if (exchange.head.path === "/fails") {
      exchange.start(OK);
      exchange.write(Buffer.from("part"));
      exchange.abort();
    } else sayHello(exchange);
  });
  const client = await front.connect();
  client.write(headers(1, withPath("/fails")), headers(3, GET));
  assert.equal(await client.resetCode(1), Code.INTERNAL_ERROR);
  assert.equal(String(client.bodyOf(1)), "part");
  assert.equal((await client.response(3)).status, 200);
});

test("malformed requests reset their stream, and are in the log (RFC 9113 §8.1.1)", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.connect();
  const malformed: Field[][] = [
    [...GET, ["X-Upper", "1"]],
    [...GET, ["connection", "close"]],
    [...GET, ["te", "gzip"]],
    [...GET, ["x", "a\r\nb: c"]],
    [...GET, ["x", " padded"]],
    [...GET, ["host", "other"]],
    [...GET, ["content-length", "3"]],
    GET.slice(1),
  ];
  for (const [index, fields] of malformed.entries()) {
    client.headers(2 * index + 1, fields);
    assert.equal(await client.resetCode(2 * index + 1), Code.PROTOCOL_ERROR);
  }
  assert.equal(front.refused.length, malformed.length);
  assert.equal(front.exchanges.length, 0);
  client.headers(101, GET);
  assert.equal((await client.response(101)).status, 200);
});

test("what HTTP/1.1 refuses gets the same response", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.connect();
  const cases: (readonly [status: number, code: string, fields: readonly Field[]])[] = [
    [400, "TARGET_INVALID", withPath("/\\")],
    [400, "TARGET_INVALID", withPath("/%00")],
    [414, "TARGET_TOO_LONG", withPath(`/${"x".repeat(9000)}`)],
    [
      431,
      "HEAD_TOO_LARGE",
      withPath("/", ["x-a", "a".repeat(20_000)], ["x-b", "b".repeat(20_000)]),
    ],
    [
      431,
      "TOO_MANY_FIELDS",
      withPath("/", ...Array.from({ length: 101 }, (): Field => ["x", "y"])),
    ],
    [400, "FIELD_REPEATED", withPath("/", ["content-type", "a"], ["content-type", "b"])],
    [
      501,
      "METHOD_CONNECT",
      [
        [":method", "CONNECT"],
        [":authority", "a:443"],
      ],
    ],
    [405, "METHOD_TRACE", [[":method", "TRACE"], ...GET.slice(1)]],
    [400, "HOST_INVALID", [...GET.slice(0, 3), [":authority", "user@a"]]],
    [400, "HOST_MISSING", GET.slice(0, 3)],
  ];
  for (const [index, [status, code, fields]] of cases.entries()) {
    const id = 2 * index + 1;
    const request = block(fields);
    const pieces: Buffer[] = [];
    for (let at = 0; at < request.length; at += 16_384) {
      const end = at + 16_384 >= request.length ? END_HEADERS : 0;
      const part = request.subarray(at, at + 16_384);
      const [type, flags] = at === 0 ? [Type.HEADERS, END_STREAM | end] : [Type.CONTINUATION, end];
      pieces.push(frame(type, flags, id, part));
    }
    client.write(...pieces);
    const response = await client.response(id);
    assert.equal(response.status, status, code);
    assert.match(String(response.body), new RegExp(code));
  }
});

test("more streams than may be are refused, and the others go on", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  for (let i = 0; i < 129; i += 1) client.headers(2 * i + 1, GET);
  assert.equal(await client.resetCode(257), Code.REFUSED_STREAM);
  assert.deepEqual(front.refused, ["STREAMS_TOO_MANY"]);
  front.exchanges[0]?.respond(OK, Buffer.from("now"));
  await client.response(1);
  client.headers(259, GET);
  await until("the request", () => front.exchanges.length === 129);
});

test("a stop lets every request that was sent have its response", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.headers(1, GET);
  await until("the request", () => front.exchanges.length === 1);
  const drained = front.engine.drain();
  const first = await client.next(({ type }) => type === Type.GOAWAY);
  assert.deepEqual(
    [first.payload.readUInt32BE(0), first.payload.readUInt32BE(4)],
    [2 ** 31 - 1, 0],
  );
  const ping = await client.next(({ type }) => type === Type.PING);
  // This request was on its way when the server began to stop.
  client.headers(3, GET);
  client.write(frame(Type.PING, ACK, 0, ping.payload));
  const last = await client.next(({ type }) => type === Type.GOAWAY);
  assert.equal(last.payload.readUInt32BE(0), 3);
  client.headers(5, GET);
  await client.ping();
  assert.equal(front.exchanges.length, 2);
  for (const exchange of front.exchanges) exchange.respond(OK, Buffer.from("late"));
  assert.equal(String((await client.response(1)).body), "late");
  assert.equal(String((await client.response(3)).body), "late");
  await drained;
});

test("a connection without requests ends with a stop, also where no PING is answered", async (context) => {
  const front = await startHttp2Front(context);
  await front.connect();
  await front.connect();
  const drained = front.engine.drain();
  front.pass(1500);
  await drained;
});

test("a refused connection is told why (RFC 9113 §6.8)", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.open();
  await until("the socket", () => front.sockets.length === 1);
  const [socket] = front.sockets;
  assert.ok(socket !== undefined);
  front.engine.refuse(socket, ERRORS.NO_DESCRIPTORS);
  const { lastId, reason } = await client.goAway();
  assert.deepEqual([lastId, reason], [0, "NO_DESCRIPTORS"]);
  assert.deepEqual(front.refused, ["NO_DESCRIPTORS"]);
});

test("a client that closes its side still gets the responses to its requests", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.headers(1, GET);
  client.headers(3, POST, false);
  client.socket.end();
  await until("the end", () => front.heard.length === 2);
  assert.deepEqual([...front.heard].sort(), ["end", "reset"]);
  // A client that sends nothing any more cannot answer a PING, and takes it all the same.
  for (let passed = 0; passed < 150_000; passed += 5000) {
    front.pass(5000);
    await turn();
  }
  front.exchanges[0]?.respond(OK, Buffer.from("late"));
  assert.equal(String((await client.response(1)).body), "late");
  await until("the close", () => front.engine.size === 0);
});

test("a client that leaves by FIN while its requests run is found gone within a few ticks", async (context) => {
  const front = await startHttp2Front(context, () => undefined);
  const client = await front.connect();
  client.headers(1, GET);
  await until("the request", () => front.exchanges.length === 1);
  client.socket.destroy();
  await until("the FIN", () => front.heard.length === 1);
  assert.deepEqual(front.heard, ["end"]);
  let passed = 0;
  await until("the end", () => {
    front.pass(250);
    passed += 250;
    return front.engine.size === 0;
  });
  assert.ok(passed < PING_AFTER_MS, `${passed} ms`);
  assert.equal(front.finished.length, 1);
  assert.ok(front.isClean);
});

test("a response that has no window left ends where the client has closed its side", async (context) => {
  const front = await startHttp2Front(context, (exchange) =>
    exchange.respond(OK, Buffer.alloc(exchange.head.target === "/large" ? 100_000 : 10)),
  );
  const client = await front.connect();
  client.headers(1, withPath("/large"));
  client.headers(3, withPath("/small"));
  await until("the responses", () => front.exchanges.length === 2);
  client.socket.end();
  await until("the end", () => {
    front.pass(250);
    return front.engine.size === 0;
  });
  const reset = await client.next(({ type }) => type === Type.RST_STREAM);
  assert.deepEqual([reset.id, reset.payload.readUInt32BE()], [1, Code.CANCEL]);
  assert.ok(front.isClean);
});

test("a connection that is cut ends all its exchanges, and leaves no memory", async (context) => {
  const front = await startHttp2Front(context, (exchange) => {
    if (exchange.head.method === "GET") exchange.respond(OK, Buffer.alloc(1_000_000));
  });
  const client = await front.connect();
  client.headers(1, POST, false);
  client.data(1, Buffer.alloc(10_000));
  client.headers(3, withPath("/", ["x-long", "x".repeat(10_000)]));
  client.headers(5, [...POST, ["x-long", "x".repeat(10_000)]], false);
  client.write(frame(Type.HEADERS, 0, 7, block(GET)));
  await until("the requests", () => front.exchanges.length === 3);
  assert.ok(!front.isClean);
  client.socket.resetAndDestroy();
  await until("the end", () => front.finished.length === 3);
  assert.ok(front.isClean);
});

test("frames of a client are no longer read while it takes none of ours", async (context) => {
  const front = await startHttp2Front(context, (exchange: Exchange) =>
    exchange.respond(responseHead(200, "OK", [["x-long", "x".repeat(8000)]]), Buffer.alloc(0)),
  );
  const client = await front.connect();
  client.socket.pause();
  let id = 1;
  const [socket] = front.sockets;
  await until("the pause", () => {
    for (let i = 0; i < 20; i += 1, id += 2) client.headers(id, GET);
    return socket?.isPaused() === true;
  });
  client.socket.resume();
  const asked = (id - 1) / 2;
  await until("all responses", () => front.finished.length === asked);
  assert.equal((await client.response(id - 2)).status, 200);
});
