// A client that changes windows, table sizes and priorities at random and cancels some of its requests: every other
// request has its own response, whole, once, whatever the order; nothing stays behind.

import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";

import fc from "fast-check";

import type { Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { until } from "../support/deadline.ts";
import { END_STREAM, type Field, frame, type FrameClient, Type, uint32 } from "./frame-client.ts";
import { OK, startHttp2Front } from "./front.ts";

const MAX_WINDOW = 2 ** 31 - 1;
const STREAMS = 12;

const size = fc.oneof(
  fc.nat(100),
  fc.nat(70_000),
  fc.constantFrom(0, 16_384, 65_535, 65_536, 200_000),
);
const way = fc.constantFrom("whole", "written", "slow", "trailers", "echo");
const request = fc.record({ size, way, urgency: fc.nat(7), isIncremental: fc.boolean() });
const step = fc.oneof(
  fc.record({ kind: fc.constant("window" as const), bytes: fc.nat(100_000) }),
  fc.record({
    kind: fc.constant("update" as const),
    stream: fc.nat(STREAMS),
    bytes: fc.nat(50_000),
  }),
  fc.record({ kind: fc.constant("table" as const), bytes: fc.nat(5000) }),
  fc.record({ kind: fc.constant("reset" as const), stream: fc.nat(STREAMS - 1) }),
  fc.record({ kind: fc.constant("priority" as const), stream: fc.nat(STREAMS + 3) }),
  fc.record({ kind: fc.constant("turn" as const) }),
);

/** A body that no other stream has. */
function bodyOf(stream: number, length: number): Buffer {
  return Buffer.alloc(length, `<${stream}>`);
}

function handle(exchange: Exchange): void {
  const [, stream, length, kind] = exchange.head.target.split("/");
  const body = bodyOf(Number(stream), Number(length));
  const head = responseHead(200, "OK", [["X-Stream", stream ?? ""]]);
  if (kind === "whole") exchange.respond(head, body);
  else if (kind === "echo") {
    const chunks: Buffer[] = [];
    exchange.receive({
      onBody: (chunk) => chunks.push(Buffer.from(chunk)),
      onBodyEnd: () => exchange.respond(head, Buffer.concat(chunks)),
    });
  } else {
    exchange.start(kind === "slow" ? head : OK);
    let at = 0;
    const write = (): void => {
      while (at < body.length) {
        const chunk = Buffer.from(body.subarray(at, at + 10_000));
        at += chunk.length;
        if (!exchange.write(chunk)) return;
        if (kind === "slow") {
          setImmediate(write);
          return;
        }
      }
      exchange.end(kind === "trailers" ? { names: ["x-sum"], values: ["1"] } : null);
    };
    exchange.listener = { onDrain: write, onGone: () => (at = body.length) };
    write();
  }
}

function settings(client: FrameClient, id: number, value: number): void {
  client.write(frame(Type.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, id]), uint32(value)])));
}

test("each request has its own response under any windows, tables and priorities", async (context) => {
  const front = await startHttp2Front(context, handle);
  const property = fc.asyncProperty(
    fc.array(request, { minLength: STREAMS, maxLength: STREAMS }),
    fc.array(step, { maxLength: 60 }),
    async (requests, steps) => {
      const client = await front.connect();
      const isReset = new Set<number>();
      let left = [...steps];
      const act = async (): Promise<void> => {
        const [next] = left;
        left = left.slice(1);
        if (next === undefined) return;
        if (next.kind === "window") settings(client, 4, next.bytes);
        else if (next.kind === "table") settings(client, 1, next.bytes);
        else if (next.kind === "turn") await turn();
        else if (next.kind === "update" && next.bytes > 0)
          client.update(next.stream === 0 ? 0 : 2 * next.stream - 1, next.bytes);
        else if (next.kind === "reset" && !isReset.has(2 * next.stream + 1)) {
          isReset.add(2 * next.stream + 1);
          client.reset(2 * next.stream + 1);
        } else if (next.kind === "priority")
          client.write(
            frame(
              Type.PRIORITY_UPDATE,
              0,
              0,
              Buffer.concat([uint32(2 * next.stream + 1), Buffer.from("u=1, i")]),
            ),
          );
      };
      for (const [index, one] of requests.entries()) {
        const id = 2 * index + 1;
        const isEcho = one.way === "echo";
        const fields: Field[] = [
          [":method", isEcho ? "POST" : "GET"],
          [":scheme", "http"],
          [":path", `/${id}/${one.size}/${one.way}`],
          [":authority", "a"],
          ["te", "trailers"],
          ["priority", `u=${one.urgency}${one.isIncremental ? ", i" : ""}`],
        ];
        client.headers(id, fields, !isEcho);
        // Within the first window of a stream.
        const body = bodyOf(id, Math.min(one.size, 60_000));
        if (isEcho)
          for (let at = 0; at <= body.length; at += 10_000)
            client.data(id, body.subarray(at, at + 10_000), at + 10_000 > body.length);
      }
      // A reset of a stream that is not open yet would be a fault: all are.
      for (let count = left.length; count > 0; count -= 1) await act();
      settings(client, 4, MAX_WINDOW - 10_000_000);
      client.update(0, MAX_WINDOW - 10_000_000);
      for (const [index, { size: length, way: kind }] of requests.entries()) {
        const id = 2 * index + 1;
        if (isReset.has(id)) continue;
        const { status, body } = await client.response(id);
        assert.equal(status, 200);
        const wanted = bodyOf(id, kind === "echo" ? Math.min(length, 60_000) : length);
        assert.ok(body.equals(wanted), `${id}: ${body.length} bytes, not ${wanted.length}`);
        const ends = client.of(id).filter(({ flags, type }) => {
          return type <= Type.HEADERS && (flags & END_STREAM) !== 0;
        });
        assert.equal(ends.length, 1);
      }
      await client.ping();
      client.socket.destroy();
    },
  );
  await fc.assert(property, { numRuns: 60 });
  await until("the end of all connections", () => front.engine.size === 0);
  assert.equal(front.finished.length, front.exchanges.length);
  assert.equal(new Set(front.finished).size, front.finished.length);
  assert.ok(front.isClean);
  assert.ok(front.refused.length === 0, front.refused.join(" "));
});
