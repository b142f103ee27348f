// Frames at random over real connections: no request without a response or an end, no memory that stays, and the
// engine goes on.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import type { Exchange } from "../../src/http/exchange.ts";
import { until } from "../support/deadline.ts";
import {
  block,
  type Field,
  type Frame,
  frame,
  GET,
  headers,
  POST,
  PREFACE,
  Type,
  uint32,
} from "./frame-client.ts";
import { countBody, OK, sayHello, startHttp2Front } from "./front.ts";

const IDS = [1, 3, 5, 7] as const;
const id = fc.oneof(
  { arbitrary: fc.constantFrom(...IDS), weight: 30 },
  { arbitrary: fc.nat(20), weight: 1 },
);
const flags = fc.oneof(fc.constantFrom(0, 1, 4, 5, 8), fc.nat(255));
const upgrade: readonly Field[] = [
  [":method", "CONNECT"],
  ...GET.slice(1),
  [":protocol", "websocket"],
];

const kind = fc.constantFrom(GET, POST, POST, upgrade);
/** Opens a stream for each id. */
const begin = fc
  .array(fc.tuple(kind, fc.boolean()), { minLength: IDS.length, maxLength: IDS.length })
  .map((kinds) => kinds.map(([fields, isLast], index) => headers(IDS[index] ?? 1, fields, isLast)));

const step = fc.oneof(
  fc
    .tuple(id, fc.constantFrom(GET, POST, upgrade), fc.boolean())
    .map(([one, fields, isLast]) => headers(one, fields, isLast)),
  fc
    .tuple(id, fc.boolean(), fc.nat(2000))
    .map(([one, isLast, size]) => frame(Type.DATA, isLast ? 1 : 0, one, Buffer.alloc(size))),
  fc
    .tuple(id, fc.nat(100_000))
    .map(([one, more]) => frame(Type.WINDOW_UPDATE, 0, one, uint32(more))),
  id.map((one) => frame(Type.RST_STREAM, 0, one, uint32(8))),
  id.map((one) => frame(Type.HEADERS, 1, one, block(GET.slice(0, 2)))),
  id.map((one) => frame(Type.CONTINUATION, 4, one, block(GET.slice(2)))),
  fc.constant(frame(Type.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 10]))),
  fc.constant(frame(Type.PING, 0, 0, Buffer.alloc(8))),
  fc
    .tuple(fc.nat(17), flags, id, fc.uint8Array({ maxLength: 20 }))
    .map(([type, bits, one, payload]) => frame(type, bits, one, payload)),
);

/** What handlers do, by turns. */
const handlers: ((exchange: Exchange) => void)[] = [
  sayHello,
  countBody,
  (exchange) => exchange.respond(OK, Buffer.alloc(100_000)),
  (exchange) => {
    exchange.start(OK);
    exchange.write(Buffer.from("part"));
    setImmediate(() => exchange.end());
  },
  (exchange) => exchange.abort(),
  (exchange) => {
    const upgraded = exchange.upgrade(OK);
    if (upgraded === null) exchange.respond(OK, Buffer.alloc(0));
    else upgraded.stream.on("data", (bytes: Buffer) => upgraded.stream.write(Buffer.from(bytes)));
  },
  () => undefined,
];

test("frames at random never stop the engine, and leave nothing behind", async (context) => {
  let turn = 0;
  const front = await startHttp2Front(context, (exchange) => {
    turn += 1;
    handlers[turn % handlers.length]?.(exchange);
  });
  const judge = await front.connect();
  const steps = fc.array(step, { maxLength: 20 });
  const property = fc.asyncProperty(begin, steps, async (opening, then) => {
    const client = await front.open();
    client.write(PREFACE, frame(Type.SETTINGS, 0, 0), ...opening, ...then);
    client.write(frame(Type.PING, 0, 0, Buffer.alloc(8, "p")));
    const isAnswer = (one: Frame): boolean => one.type === Type.PING && one.payload[0] === 0x70;
    await until("an answer, or the end", () => client.isClosed || client.frames.some(isAnswer));
    // A reset ends the exchanges whose handlers give no response.
    client.socket.resetAndDestroy();
  });
  await fc.assert(property, { numRuns: 200 });
  await judge.ping();
  judge.socket.destroy();
  await until("the end of all connections", () => front.engine.size === 0);
  await until("the end of all exchanges", () => front.finished.length >= front.exchanges.length);
  assert.ok(front.exchanges.length > 500, `only ${front.exchanges.length} requests were begun`);
  // Never more than once.
  assert.equal(new Set(front.finished).size, front.finished.length);
  assert.ok(front.isClean);
});
