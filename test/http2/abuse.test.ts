// What costs the server more than the client ends the connection with GOAWAY, and no other connection notices.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import { until } from "../support/deadline.ts";
import {
  ACK,
  block,
  END_HEADERS,
  END_STREAM,
  type Field,
  frame,
  type FrameClient,
  GET,
  headers,
  POST,
  Type,
  uint32,
} from "./frame-client.ts";
import { OK, startHttp2Front } from "./front.ts";

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const STREAM_CLOSED = 5;
const FRAME_SIZE_ERROR = 6;
const COMPRESSION_ERROR = 9;
const REFUSED_STREAM = 7;
const ENHANCE_YOUR_CALM = 11;

/** The code with which the connection ends when a client does this, beside a connection that goes on. */
async function codeAfter(
  context: TestContext,
  act: (client: FrameClient) => void | Promise<void>,
  handle?: (exchange: Exchange) => void,
): Promise<number> {
  const front = await startHttp2Front(context, handle);
  const other = await front.connect();
  const client = await front.connect();
  await act(client);
  const { code } = await client.goAway();
  await other.ping();
  assert.equal(
    front.refused.at(-1),
    code === ENHANCE_YOUR_CALM ? "FRAMES_TOO_MANY" : "FRAMES_INVALID",
  );
  other.socket.destroy();
  await until("the end", () => front.engine.size === 0 && front.isClean);
  assert.equal(front.finished.length, front.exchanges.length);
  return code;
}

const never = (): void => undefined;
const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array(count).fill(bytes));

const floods: Record<string, Buffer> = {
  SETTINGS: frame(Type.SETTINGS, 0, 0),
  "acknowledged SETTINGS": frame(Type.SETTINGS, ACK, 0),
  PING: frame(Type.PING, 0, 0, Buffer.alloc(8)),
  PRIORITY: frame(Type.PRIORITY, 0, 1, Buffer.alloc(5)),
  PRIORITY_UPDATE: frame(Type.PRIORITY_UPDATE, 0, 0, uint32(1)),
  WINDOW_UPDATE: frame(Type.WINDOW_UPDATE, 0, 0, uint32(1)),
  "unknown frames": frame(0x77, 0, 0),
};
for (const [name, one] of Object.entries(floods))
  test(`a flood of ${name} ends the connection`, async (context) => {
    const code = await codeAfter(context, (client) => client.write(times(3000, one)));
    assert.equal(code, ENHANCE_YOUR_CALM);
  });

test("a flood of empty DATA ends the connection", async (context) => {
  const code = await codeAfter(
    context,
    (client) => {
      client.headers(1, POST, false);
      client.write(times(3000, frame(Type.DATA, 0, 1)));
    },
    never,
  );
  assert.equal(code, ENHANCE_YOUR_CALM);
});

test("windows that grow byte by byte end the connection", async (context) => {
  const code = await codeAfter(
    context,
    (client) => {
      client.write(frame(Type.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
      client.headers(1, GET);
      client.write(times(3000, frame(Type.WINDOW_UPDATE, 0, 1, uint32(1))));
    },
    (exchange) => exchange.respond(OK, Buffer.alloc(10_000)),
  );
  assert.equal(code, ENHANCE_YOUR_CALM);
});

test("requests that are cancelled at once end the connection (rapid reset)", async (context) => {
  let most = 0;
  let running = 0;
  const code = await codeAfter(
    context,
    (client) => {
      const pairs = Array.from({ length: 1000 }, (_, i) => [
        headers(2 * i + 1, GET),
        frame(Type.RST_STREAM, 0, 2 * i + 1, uint32(8)),
      ]);
      client.write(...pairs.flat());
    },
    (exchange) => {
      running += 1;
      most = Math.max(most, running);
      exchange.listener = { onDrain: never, onGone: never };
    },
  );
  assert.equal(code, ENHANCE_YOUR_CALM);
  assert.ok(most <= 257, `${most} requests were begun`);
});

test("a cancelled request keeps its place as long as a process has it", async (context) => {
  const handling = { worker: 1, queuedMs: 0, runMs: null, isAbandoned: true };
  const front = await startHttp2Front(context, (exchange) => {
    exchange.handling = handling;
  });
  const client = await front.connect();
  for (let i = 0; i < 128; i += 1) {
    client.headers(2 * i + 1, GET);
    client.reset(2 * i + 1);
  }
  client.headers(301, GET);
  assert.equal(await client.resetCode(301), REFUSED_STREAM);
  assert.deepEqual([front.exchanges.length, front.refused], [128, ["STREAMS_TOO_MANY"]]);
  handling.isAbandoned = false;
  client.headers(303, GET);
  await until("the request", () => front.exchanges.length === 129);
});

test("requests beyond the limit of streams are refused for a while, and then end the connection", async (context) => {
  const front = await startHttp2Front(context, never);
  const client = await front.connect();
  const ask = (from: number, count: number): void =>
    client.write(...Array.from({ length: count }, (_, i) => headers(2 * (from + i) + 1, GET)));
  ask(0, 128 + 500);
  await client.ping();
  assert.equal(front.exchanges.length, 128);
  ask(628, 4000);
  assert.equal((await client.goAway()).code, ENHANCE_YOUR_CALM);
});

test("requests that we are made to reset end the connection (MadeYouReset)", async (context) => {
  const code = await codeAfter(
    context,
    (client) => {
      const pairs = Array.from({ length: 1000 }, (_, i) => [
        headers(2 * i + 1, GET),
        frame(Type.WINDOW_UPDATE, 0, 2 * i + 1, uint32(0)),
      ]);
      client.write(...pairs.flat());
    },
    never,
  );
  assert.equal(code, ENHANCE_YOUR_CALM);
});

test("malformed requests without end, end the connection", async (context) => {
  const code = await codeAfter(context, (client) => {
    const bad: Field[] = [...GET, ["connection", "close"]];
    client.write(...Array.from({ length: 1000 }, (_, i) => headers(2 * i + 1, bad)));
  });
  assert.equal(code, ENHANCE_YOUR_CALM);
});

test("CONTINUATION without end ends the connection, empty or not", async (context) => {
  for (const payload of [Buffer.alloc(0), block([["x", "y"]]), Buffer.alloc(16_384)]) {
    const code = await codeAfter(context, (client) => {
      client.write(frame(Type.HEADERS, END_STREAM, 1, block(GET)));
      client.write(times(20, frame(Type.CONTINUATION, 0, 1, payload)));
    });
    assert.equal(code, ENHANCE_YOUR_CALM);
  }
});

test("a field that is named thousands of times by its index is a head that is too large", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.connect();
  const value = "v".repeat(3000);
  const literal = Buffer.concat([
    Buffer.from([0x40, 6]),
    Buffer.from("x-bomb"),
    Buffer.from([127, ((3000 - 127) & 127) | 128, (3000 - 127) >> 7]),
    Buffer.from(value),
  ]);
  const bomb = Buffer.concat([block(GET), literal, Buffer.alloc(10_000, 0x80 | 62)]);
  client.write(frame(Type.HEADERS, END_STREAM | END_HEADERS, 1, bomb));
  assert.equal((await client.response(1)).status, 431);
  client.headers(3, GET);
  assert.equal((await client.response(3)).status, 200);
});

const PRIORITY_ITSELF = frame(Type.PRIORITY, 0, 1, uint32(1, 0).subarray(0, 5));
const invalid: readonly (readonly [name: string, code: number, bytes: Buffer])[] = [
  ["DATA on a stream that was not opened", PROTOCOL_ERROR, frame(Type.DATA, 0, 1)],
  ["DATA on the connection", PROTOCOL_ERROR, frame(Type.DATA, 0, 0)],
  ["HEADERS on a stream of the server", PROTOCOL_ERROR, headers(2, GET)],
  [
    "HEADERS with more padding than frame",
    PROTOCOL_ERROR,
    frame(Type.HEADERS, 4 | 8, 1, Buffer.from([9, 0])),
  ],
  ["PUSH_PROMISE", PROTOCOL_ERROR, frame(Type.PUSH_PROMISE, 4, 1, Buffer.alloc(4))],
  [
    "RST_STREAM on a stream that was not opened",
    PROTOCOL_ERROR,
    frame(Type.RST_STREAM, 0, 1, uint32(8)),
  ],
  ["CONTINUATION of nothing", PROTOCOL_ERROR, frame(Type.CONTINUATION, 4, 1)],
  ["a stream that depends on itself", PROTOCOL_ERROR, PRIORITY_ITSELF],
  ["SETTINGS of a stream", PROTOCOL_ERROR, frame(Type.SETTINGS, 0, 1)],
  ["a priority update of no stream", PROTOCOL_ERROR, frame(Type.PRIORITY_UPDATE, 0, 0, uint32(0))],
  [
    "a setting that cannot be",
    PROTOCOL_ERROR,
    frame(Type.SETTINGS, 0, 0, Buffer.from([0, 2, 0, 0, 0, 2])),
  ],
  [
    "a window that is too large",
    FLOW_CONTROL_ERROR,
    frame(Type.WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1)),
  ],
  ["a PING of 7 bytes", FRAME_SIZE_ERROR, frame(Type.PING, 0, 0, Buffer.alloc(7))],
  ["a frame of more than 16,384 bytes", FRAME_SIZE_ERROR, frame(0x77, 0, 0, Buffer.alloc(16_385))],
  ["half a setting", FRAME_SIZE_ERROR, frame(Type.SETTINGS, 0, 0, Buffer.alloc(7))],
  ["a block that breaks HPACK", COMPRESSION_ERROR, frame(Type.HEADERS, 5, 1, Buffer.from([0x80]))],
];
for (const [name, expected, bytes] of invalid)
  test(`${name} ends the connection`, async (context) => {
    assert.equal(await codeAfter(context, (client) => client.write(bytes)), expected);
  });

test("DATA and HEADERS on a stream that has ended, end the connection", async (context) => {
  for (const late of [frame(Type.DATA, 0, 1), headers(1, GET)]) {
    const code = await codeAfter(context, async (client) => {
      client.headers(1, GET);
      await client.response(1);
      client.write(late);
    });
    assert.equal(code, STREAM_CLOSED);
  }
});

test("more DATA than a window allows is a fault, of the stream or of the connection", async (context) => {
  const front = await startHttp2Front(context, never);
  const client = await front.connect();
  client.headers(1, POST, false);
  for (let i = 0; i < 5; i += 1) client.data(1, Buffer.alloc(16_000));
  assert.equal(await client.resetCode(1), FLOW_CONTROL_ERROR);
  await client.ping();
});

test("a preface of another protocol ends the connection without a request", async (context) => {
  const front = await startHttp2Front(context);
  const client = await front.open();
  client.write(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  assert.equal((await client.goAway()).code, PROTOCOL_ERROR);
  const second = await front.open();
  second.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), headers(1, GET));
  assert.equal((await second.goAway()).code, PROTOCOL_ERROR);
  assert.equal(front.exchanges.length, 0);
});
