// Which worker is due to be replaced though nothing is wrong with it.

import assert from "node:assert/strict";
import { beforeEach, it } from "node:test";

import { Recycling, type RecyclingOptions } from "../../src/workers/recycling.ts";
import { WorkerTable } from "../../src/workers/worker-table.ts";
import type { Worker } from "../../src/workers/worker.ts";
import { FakeProcess } from "../support/fake-workers.ts";

const NEVER: RecyclingOptions = { maxRequests: 0, maxRequestsJitter: 0, maxRss: 0, maxAgeMs: 0 };

let table: WorkerTable;

beforeEach(() => {
  table = new WorkerTable();
});

/** A worker that takes, started at 0. */
function addTaker(maxRequests = Infinity): { worker: Worker; process: FakeProcess } {
  const worker = table.add({ generation: 1, startedAt: 0, maxRequests });
  const process = new FakeProcess(1000);
  worker.process = process;
  worker.load(0);
  worker.take();
  return { worker, process };
}

it("marks a worker that has run its requests, and says so", () => {
  const recycling = new Recycling(NEVER);
  const { worker } = addTaker(3);
  worker.served = 2;
  assert.equal(recycling.markNext(table.all, 10_000), null);
  worker.served = 3;
  assert.equal(recycling.markNext(table.all, 10_000), worker);
  assert.equal(worker.leaving, "it has run 3 requests");
});

it("draws each worker's requests between the limit and the limit with its jitter", () => {
  assert.equal(new Recycling(NEVER).drawMaxRequests(), Infinity);
  assert.equal(new Recycling({ ...NEVER, maxRequests: 7 }).drawMaxRequests(), 7);
  const recycling = new Recycling({ ...NEVER, maxRequests: 7, maxRequestsJitter: 2 });
  const drawn = new Set(Array.from({ length: 500 }, () => recycling.drawMaxRequests()));
  assert.deepEqual(drawn, new Set([7, 8, 9]));
});

it("marks a worker that is too old", () => {
  const recycling = new Recycling({ ...NEVER, maxAgeMs: 60_000 });
  const { worker } = addTaker();
  assert.equal(recycling.markNext(table.all, 59_900), null);
  assert.equal(recycling.markNext(table.all, 60_500), worker);
  assert.equal(worker.leaving, "it is 60 s old");
});

it("marks a worker that is too large, looking once a second", () => {
  const recycling = new Recycling({ ...NEVER, maxRss: 10_485_760 });
  const { worker, process } = addTaker();
  process.rss = 10_485_760;
  assert.equal(recycling.markNext(table.all, 10_000), null);
  process.rss = 20_971_520;
  assert.equal(recycling.markNext(table.all, 10_900), null);
  assert.equal(recycling.markNext(table.all, 11_000), worker);
  assert.equal(worker.leaving, "it holds 20 MiB of memory");
});

it("marks no second worker while one leaves, and none that does not take", () => {
  const recycling = new Recycling({ ...NEVER, maxAgeMs: 1000 });
  table.add({ generation: 1, startedAt: 0, maxRequests: Infinity });
  const first = addTaker().worker;
  const second = addTaker().worker;
  assert.equal(recycling.markNext(table.all, 10_000), first);
  assert.equal(recycling.markNext(table.all, 11_000), null);
  first.drain(Infinity, 0);
  assert.equal(recycling.markNext(table.all, 12_000), null);
  table.remove(first);
  assert.equal(recycling.markNext(table.all, 13_000), second);
});
