// The load generator: which requests are sent, what is counted, and that the time of a stall is counted.
// The generator runs as in a benchmark, as a process of its own, against a real server.

import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { dueAt, makeSlowChooser } from "../load/arrivals.ts";
import { responseLength } from "../load/connection.ts";
import { LoadRecord } from "../load/record.ts";
import { runProgram } from "../program.ts";

const GENERATOR = join(import.meta.dirname, "..", "load", "generate.ts");

test("makes exactly one in each ten requests slow, the same ones for the same seed", () => {
  const take = (seed: number): boolean[] => {
    const isSlow = makeSlowChooser(seed);
    return Array.from({ length: 1000 }, () => isSlow());
  };
  const first = take(1);
  for (let ten = 0; ten < 1000; ten += 10) {
    assert.equal(first.slice(ten, ten + 10).filter(Boolean).length, 1);
  }
  assert.deepEqual(take(1), first);
  assert.notDeepEqual(take(2), first);
});

test("spaces arrivals evenly", () => {
  assert.equal(dueAt(0, 400), 0);
  assert.equal(dueAt(3, 400), 7.5);
});

test("knows where a response ends", () => {
  assert.equal(responseLength("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), 0);
  const head = "HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\n";
  assert.equal(responseLength(`${head}do`), head.length + 5);
  assert.throws(() => responseLength("HTTP/1.1 200 OK\r\n\r\n"), /Content-Length/);
});

test("counts latency from when a request was due, of short requests after the warm-up only", () => {
  const record = new LoadRecord(1000, 3000);
  const requests = [
    { due: 500, isSlow: false, end: 2000 },
    { due: 1000, isSlow: false, end: 1010 },
    { due: 1100, isSlow: true, end: 1900 },
    { due: 1200, isSlow: false, end: 1500 },
  ];
  for (const request of requests) {
    record.arrived(request, request.due + 1);
    record.ended(request, request.end, true);
  }
  const report = record.report();
  assert.deepEqual(report, {
    sent: 3,
    failed: 0,
    p50: 10,
    p99: 300,
    max: 300,
    lateness: 1,
    responsesPerSecond: 2,
  });
});

test("keeps a request without a response in the figures, as failed", () => {
  const record = new LoadRecord(0, 1000);
  const request = { due: 100, isSlow: false };
  record.arrived(request, 100);
  record.ended(request, 11_000, false);
  const { failed, max, responsesPerSecond } = record.report();
  assert.deepEqual(
    { failed, max, responsesPerSecond },
    { failed: 1, max: 10_900, responsesPerSecond: 0 },
  );
});

test("sends at its rate whatever the server does, and counts the time of a stall for all requests that waited", async () => {
  // The server is silent until all 200 requests of the second have come: a generator that waits for a
  // response before it sends the next request would wait for ever.
  const held: (() => void)[] = [];
  const report = await generate({ requestsPerSecond: 200, connections: 250 }, (_, response) => {
    held.push(() => response.end("done\n"));
    if (held.length === 200) for (const respond of held) respond();
  });
  assert.equal(report["sent"], 200);
  assert.equal(report["failed"], 0);
  // The first request waited for the last one, which was due 995 ms after it.
  assert.ok(Number(report["max"]) >= 990, `max ${String(report["max"])}`);
});

test("counts requests that wait for a free connection from when they were due", async () => {
  let requests = 0;
  const report = await generate({ requestsPerSecond: 100, connections: 1 }, (_, response) => {
    // One connection, so nothing overtakes the first response, which takes 500 ms.
    if (requests++ === 0) setTimeout(() => response.end("done\n"), 500);
    else response.end("done\n");
  });
  assert.equal(report["sent"], 100);
  assert.equal(report["failed"], 0);
  // The requests that fell due meanwhile were sent late, and their latency includes that.
  assert.ok(Number(report["max"]) >= 399, `max ${String(report["max"])}`);
  assert.ok(Number(report["p99"]) >= 380, `p99 ${String(report["p99"])}`);
});

test("counts every response that is no success as failed", async () => {
  const report = await generate({ requestsPerSecond: 50, connections: 10 }, (_, response) => {
    response.statusCode = 503;
    response.end("busy\n");
  });
  assert.equal(report["sent"], 50);
  assert.equal(report["failed"], 50);
});

test("finds the capacity in a closed loop", async () => {
  const report = await generate({ requestsPerSecond: 0, connections: 8 }, (_, response) => {
    response.end("done\n");
  });
  assert.equal(report["failed"], 0);
  assert.ok(Number(report["responsesPerSecond"]) > 0);
});

/** Runs the generator for one recorded second against a server with this listener. */
async function generate(
  order: { requestsPerSecond: number; connections: number },
  listener: RequestListener,
): Promise<Record<string, unknown>> {
  const server = createServer((request, response) => {
    response.setHeader("content-length", 5);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const whole = {
    port: address.port,
    slowPath: "/sleep",
    warmUpSeconds: 0,
    seconds: 1,
    seed: 1,
    ...order,
  };
  try {
    const output = await runProgram(process.execPath, [GENERATOR, JSON.stringify(whole)]);
    return Object(JSON.parse(output));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
