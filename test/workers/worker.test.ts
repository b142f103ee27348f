// The states of one worker, and what its process is told at each move.

import assert from "node:assert/strict";
import { beforeEach, it } from "node:test";

import { FrameType } from "../../src/workers/frame.ts";
import { Worker } from "../../src/workers/worker.ts";
import { FakeProcess } from "../support/fake-workers.ts";

let worker: Worker;
let process: FakeProcess;

beforeEach(() => {
  worker = new Worker({ number: 3, generation: 1, startedAt: 0, maxRequests: Infinity });
  process = new FakeProcess(1003);
});

it("starts, is loaded, takes, drains and ends; the process hears of each move once", () => {
  assert.equal(worker.state, "starting");
  assert.equal(worker.pid, 0);
  worker.process = process;
  assert.equal(worker.pid, 1003);
  worker.load(5);
  assert.equal(worker.readyAt, 5);
  worker.take();
  worker.take();
  assert.equal(worker.state, "taking");
  worker.drain(20, 5);
  worker.drain(30, 6);
  assert.equal(worker.state, "draining");
  assert.equal(worker.killAt, 20, "the earliest end counts");
  worker.drain(10, 7);
  assert.equal(worker.killAt, 10);
  assert.deepEqual(process.sent, [FrameType.TAKE, FrameType.STOP]);
  assert.equal(process.stoppedWith, 15, "the time that it has");
  worker.finish();
  worker.drain(1, 8);
  assert.equal(worker.state, "ended");
  assert(process.isClosed);
});

it("does not take before it is loaded, nor after it was told to stop", () => {
  worker.process = process;
  worker.take();
  assert.equal(worker.state, "starting");
  worker.drain(Infinity, 0);
  worker.take();
  assert.equal(worker.state, "draining");
});

it("stays unless it is to leave, drains or has ended", () => {
  assert(worker.isStaying);
  worker.leaving = "it is old";
  assert(!worker.isStaying);
  worker.leaving = null;
  worker.drain(Infinity, 0);
  assert(!worker.isStaying);
});

it("keeps the last ten lines of standard error", () => {
  worker.keepErrors(Buffer.from("x".repeat(20_000)));
  for (let line = 0; line < 12; line += 1) worker.keepErrors(Buffer.from(`\n${line}`));
  assert.equal(worker.lastErrorLines, "2\n3\n4\n5\n6\n7\n8\n9\n10\n11");
});

it("knows since when its longest overdue request is overdue, by its notes", () => {
  worker.process = process;
  process.noted = [7, 8, 9];
  worker.overdue.set(6, 1).set(7, 2).set(8, 3);
  assert.equal(worker.overdueSince(), 2);
  assert.deepEqual([...worker.overdue.keys()], [7, 8], "6 has ended");
  assert(!worker.hasOnlyOverdue());
  process.noted = [8];
  assert(worker.hasOnlyOverdue());
  // Of an accepted WebSocket there is no note.
  worker.webSockets = 1;
  assert(!worker.hasOnlyOverdue());
  worker.webSockets = 0;
  process.noted = [];
  assert.equal(worker.overdueSince(), Infinity);
});

it("without a process has noted nothing", () => {
  assert.deepEqual(worker.readNotes(), []);
});
