// What becomes of the requests of a worker whose process has ended. No process, no pipe; time is given.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import type { Job } from "../../src/workers/job.ts";
import { WorkerExits, type WorkerExit } from "../../src/workers/worker-exits.ts";
import { WorkerTable } from "../../src/workers/worker-table.ts";
import type { Worker, WorkerEnd } from "../../src/workers/worker.ts";
import { FakeProcess } from "../support/fake-workers.ts";
import { RecordedRequest } from "../support/jobs.ts";

const END: WorkerEnd = { worker: 1, code: 9, signal: null, peakRss: 0 };

let table: WorkerTable;
let worker: Worker;
let process: FakeProcess;
let exits: WorkerExits;
let held: Job[];
let lost: Job[];
let retried: Job[];
let told: WorkerExit[];

beforeEach(() => {
  table = new WorkerTable();
  worker = table.add({ generation: 1, startedAt: 0, maxRequests: Infinity });
  process = new FakeProcess(1001);
  worker.process = process;
  worker.load(0);
  worker.take();
  held = [];
  lost = [];
  retried = [];
  told = [];
  exits = new WorkerExits(
    table,
    {
      takeHeld: () => held,
      lose: (job) => void lost.push(job),
      retry: (job) => void retried.push(job),
    },
    (exit) => void told.push(exit),
  );
});

/** A request that the worker holds. */
function hold({ isRepeatable = true } = {}): Job {
  const request = new RecordedRequest();
  request.isRepeatable = isRepeatable;
  const { job } = request;
  job.submit(1, 0);
  job.enqueue(1);
  held.push(job);
  return job;
}

/** The process ends and its channel has been read to the end. */
function die(): void {
  process.isChannelClosed = true;
  exits.ended(END, 10_000);
}

describe("a request that a dead worker held", () => {
  it("is run once more if it is safe and not alone with the worker", () => {
    const jobs = [hold(), hold()];
    die();
    assert.deepEqual([lost, retried], [[], jobs]);
    assert.deepEqual(told[0]?.retried, jobs);
  });

  it("is lost if it was alone with the worker: it may be what killed it", () => {
    const job = hold();
    die();
    assert.deepEqual([lost, retried], [[job], []]);
    assert.deepEqual(told[0]?.lost, [job]);
  });

  it("is run once more beside a request past its deadline, which may be what killed the worker", () => {
    const job = hold();
    worker.overdue.set(70, 9000);
    die();
    assert.deepEqual([lost, retried], [[], [job]]);
  });

  it("is lost if it may not be repeated; the others are not", () => {
    const unsafe = hold({ isRepeatable: false });
    const safe = hold();
    die();
    assert.deepEqual([lost, retried], [[unsafe], [safe]]);
  });

  it("is lost if its response had begun", () => {
    const begun = hold();
    begun.respond(1);
    const other = hold();
    die();
    assert.deepEqual([lost, retried], [[begun], [other]]);
  });

  it("is lost the second time", () => {
    const again = hold();
    again.retry();
    again.submit(2, 1);
    again.enqueue(2);
    const other = hold();
    die();
    assert.deepEqual([lost, retried], [[again], [other]]);
  });

  it("is lost with a worker whose event loop did not come back: any of them may be the reason", () => {
    const jobs = [hold(), hold()];
    let now = 1_000_000;
    while (!worker.loop.isLost) worker.loop.tick((now += 500), 20_000);
    die();
    assert.deepEqual([lost, retried], [jobs, []]);
  });

  it("is lost while the pool stops", () => {
    const jobs = [hold(), hold()];
    exits.isStopping = true;
    die();
    assert.deepEqual([lost, retried], [jobs, []]);
  });
});

describe("the end of a process", () => {
  it("is told once, with the worker out of the table, before its requests hear of it", () => {
    hold();
    exits = new WorkerExits(
      table,
      { takeHeld: () => held, lose: (job) => void lost.push(job), retry: () => assert.fail() },
      (exit) => {
        assert(table.isEmpty);
        assert.equal(exit.worker.state, "ended");
        assert.deepEqual(lost, []);
        told.push(exit);
      },
    );
    die();
    die();
    exits.channelEnded(worker);
    exits.tick(100_000);
    assert.equal(told.length, 1);
    assert.equal(lost.length, 1);
    assert(process.isClosed);
    assert.equal(told[0]?.end, END);
  });

  it("waits for the end of the channel, which may hold a last response", () => {
    exits.ended(END, 10_000);
    assert.equal(told.length, 0);
    assert(!process.isClosed);
    assert.equal(exits.channelEnded(worker), true);
    assert.equal(told.length, 1);
  });

  it("waits for that at most a second: a child of the application may hold the socket open", () => {
    exits.ended(END, 10_000);
    exits.tick(10_900);
    assert.equal(told.length, 0);
    exits.tick(11_000);
    assert.equal(told.length, 1);
  });

  it("is not known from the end of the channel alone", () => {
    assert.equal(exits.channelEnded(worker), false);
    assert.equal(told.length, 0);
  });

  it("was asked for if the worker had been told to stop", () => {
    worker.drain(Infinity, 0);
    die();
    assert.equal(told[0]?.wasAsked, true);
  });

  it("was not asked for if the worker was to leave and still took", () => {
    worker.leaving = "it is old";
    die();
    assert.equal(told[0]?.wasAsked, false);
  });

  it("is told at once of a worker that could not be forked", () => {
    const unborn = table.add({ generation: 1, startedAt: 0, maxRequests: Infinity });
    exits.ended({ ...END, worker: unborn.number }, 10_000);
    assert.equal(told[0]?.worker, unborn);
  });

  it("of an unknown worker is nothing", () => {
    exits.ended({ ...END, worker: 99 }, 10_000);
    assert.equal(told.length, 0);
  });
});

describe("when the launcher has died", () => {
  it("a worker goes on, is to leave, and its end is seen by looking at its process", () => {
    exits.orphanAll();
    assert(process.isOrphan);
    assert.equal(worker.leaving, "its launcher ended");
    exits.tick(10_000);
    assert.equal(told.length, 0);
    process.isGone = true;
    process.isChannelClosed = true;
    exits.tick(10_100);
    assert.deepEqual(told[0]?.end, { worker: 1, code: null, signal: null, peakRss: 0 });
  });

  it("an orphan's channel is read to its end too", () => {
    exits.orphanAll();
    process.isGone = true;
    exits.tick(10_000);
    exits.tick(10_500);
    assert.equal(told.length, 0);
    exits.tick(11_000);
    assert.equal(told.length, 1);
  });

  it("a worker that was not opened yet is counted as ended", () => {
    const unborn = table.add({ generation: 1, startedAt: 0, maxRequests: Infinity });
    exits.orphanAll();
    exits.tick(10_000);
    assert.equal(told[0]?.worker, unborn);
    assert.equal(told.length, 1);
  });

  it("all workers can be ended: the orphans by a signal, the others went with the launcher", () => {
    const child = table.add({ generation: 1, startedAt: 0, maxRequests: Infinity });
    const childProcess = new FakeProcess(1002);
    child.process = childProcess;
    worker.orphan();
    exits.reapAll(9);
    assert.deepEqual(process.signals, [9]);
    assert.deepEqual(childProcess.signals, []);
    assert.deepEqual(
      told.map(({ end }) => [end.worker, end.signal]),
      [
        [1, 9],
        [2, 9],
      ],
    );
    assert(table.isEmpty);
  });
});
