// The pipe and the jobs that wait in front of it. The FIFO is real, time is given.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import type { Job } from "../../src/workers/job.ts";
import { RequestQueue } from "../../src/workers/queue.ts";
import { PageFlag } from "../../src/workers/page.ts";
import { makeFifo, type Fifo } from "../support/fifo.ts";
import { RecordedRequest } from "../support/jobs.ts";

/** CLOCK_MONOTONIC milliseconds at which every job is submitted. */
const START = 1_000_000;

describe("RequestQueue", () => {
  let fifo: Fifo;
  let queue: RequestQueue;
  let lastId = 0;

  beforeEach(() => {
    fifo = makeFifo();
    lastId = 0;
    // Two run at once, and 24 - 8 pages may be written: as many as a pipe holds by default.
    queue = new RequestQueue(fifo.fd, {
      limit: 20,
      timeoutMs: 5000,
      capacity: 2,
      workers: 1,
      pipePages: 24,
    });
  });
  afterEach(() => {
    queue.close();
    fifo.remove();
  });

  const newJob = (request = new RecordedRequest()): Job => {
    lastId += 1;
    request.job.submit(lastId, START);
    return request.job;
  };
  /** A waiting job ends, as the table ends it. */
  const drop = (job: Job): void => {
    queue.drop();
    job.finish();
  };
  /** Ends the waiting jobs that `find` gives, and returns them. */
  const dropAll = (find: () => Job | undefined): Job[] => {
    const dropped: Job[] = [];
    for (let job = find(); job !== undefined; job = find()) {
      drop(job);
      dropped.push(job);
    }
    return dropped;
  };
  const readIds = (): number[] => {
    queue.flush();
    const ids: number[] = [];
    for (let page = fifo.read(); page !== null; page = fifo.read()) ids.push(page.readUInt32LE(8));
    return ids;
  };

  it("writes a page for each job while the pipe is short enough", () => {
    const jobs = [newJob(), newJob()];
    for (const job of jobs) assert.equal(queue.submit(job), "taken");
    assert.deepEqual(readIds(), [1, 2]);
    assert.deepEqual(
      jobs.map((job) => job.state),
      ["queued", "queued"],
    );
    assert.equal(queue.waiting, 0);
  });

  it("keeps in front of the pipe what is beyond its depth, in order", () => {
    const jobs = Array.from({ length: 18 }, () => newJob());
    for (const job of jobs) assert.equal(queue.submit(job), "taken");
    assert.equal(readIds().length, 16);
    assert.deepEqual(
      jobs.slice(16).map((job) => job.state),
      ["waiting", "waiting"],
    );
    for (const job of jobs.slice(0, 2)) queue.release(job);
    assert.deepEqual(readIds(), [17, 18]);
  });

  it("refuses a job when as many wait as may", () => {
    const answers = Array.from({ length: 25 }, () => queue.submit(newJob()));
    // 2 that can run, and 20 that wait.
    assert.deepEqual(answers, [...Array(22).fill("taken"), ...Array(3).fill("queue-full")]);
  });

  it("refuses a job that could not be begun in time at the rate of the last seconds", () => {
    const start = START + 1000;
    const jobs = Array.from({ length: 18 }, () => newJob());
    for (const job of jobs) queue.submit(job);
    // Two wait. For two seconds one job a second is done.
    for (let step = 0; step <= 20; step += 1) {
      const done = jobs[Math.floor(step / 10)];
      if (step % 10 === 9 && done !== undefined) {
        queue.release(done);
        queue.submit(newJob());
      }
      queue.tick(start + step * 100);
    }
    // 16 lie ahead of a new one, which may wait for 5 s.
    assert.equal(queue.submit(newJob()), "overloaded");
  });

  it("finds the newest jobs that were let in before the rate was known, and would wait too long", () => {
    const jobs = Array.from({ length: 19 }, () => newJob());
    for (const job of jobs) queue.submit(job);
    const start = START + 1000;
    assert.equal(queue.findOverload(start), undefined);
    // Five a second are done, for a second: 17 lie ahead of the last one.
    for (let step = 0; step <= 10; step += 1) {
      const done = jobs[step];
      if (step % 2 === 1 && done !== undefined) {
        queue.release(done);
        queue.submit(newJob());
      }
      queue.tick(start + step * 100);
    }
    const waiting = queue.waiting;
    assert.equal(queue.findOverload(START), undefined);
    // They have waited for three seconds already.
    const overload = dropAll(() => queue.findOverload(START + 3000));
    assert.ok(overload.length > 0);
    assert.ok(overload.every((job, index) => job.id < (overload[index - 1]?.id ?? Infinity)));
    assert.equal(queue.waiting, waiting - overload.length);
  });

  it("lets everybody in while nobody waits, whatever the rate was", () => {
    const jobs = Array.from({ length: 17 }, () => newJob());
    for (const job of jobs) queue.submit(job);
    for (let step = 0; step <= 30; step += 1) queue.tick(START + 1000 + step * 100);
    assert.equal(queue.submit(newJob()), "overloaded");
    if (jobs[0] !== undefined) queue.release(jobs[0]);
    assert.equal(queue.waiting, 0);
    assert.equal(queue.submit(newJob()), "taken");
  });

  it("skips a job that was dropped while it waited and gives its place to another", () => {
    const jobs = Array.from({ length: 22 }, () => newJob());
    for (const job of jobs) queue.submit(job);
    const dropped = jobs[16];
    assert.ok(dropped !== undefined);
    drop(dropped);
    assert.equal(queue.submit(newJob()), "taken");
    readIds();
    if (jobs[0] !== undefined) queue.release(jobs[0]);
    assert.deepEqual(readIds(), [18]);
  });

  it("finds the waiting jobs whose time is over, the oldest first", () => {
    for (let i = 0; i < 16; i += 1) queue.submit(newJob());
    const late = [newJob(), newJob(), newJob()];
    for (const job of late) queue.submit(job);
    assert.equal(queue.findExpired(START + 4900), undefined);
    if (late[1] !== undefined) drop(late[1]);
    assert.deepEqual(
      dropAll(() => queue.findExpired(START + 5000)),
      [late[0], late[2]],
    );
    assert.equal(queue.waiting, 0);
  });

  it("writes pages at the end of the turn of the event loop", async () => {
    queue.submit(newJob());
    assert.equal(fifo.read(), null);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(fifo.read()?.readUInt32LE(8), 1);
  });

  it("writes the jobs that take the places of ended ones at the end of the turn as well", async () => {
    const jobs = Array.from({ length: 20 }, () => newJob());
    for (const job of jobs) queue.submit(job);
    assert.equal(readIds().length, 16);
    for (const job of jobs.slice(0, 3)) queue.release(job);
    assert.equal(fifo.read(), null);
    await new Promise(setImmediate);
    assert.deepEqual(readIds(), [17, 18, 19]);
  });

  it("writes the latest time at which a job may be begun", () => {
    const job = newJob();
    queue.submit(job);
    queue.flush();
    const page = fifo.read();
    assert.equal(page?.readDoubleLE(16), (START + 5000) / 1000);
  });

  it("writes fences that carry ids of their own", () => {
    let id = 100;
    queue.fence(2, () => (id += 1));
    const pages = [fifo.read(), fifo.read(), fifo.read()];
    assert.deepEqual(
      pages.map((page) => page && [page.readUInt16LE(6), page.readUInt32LE(8)]),
      [[PageFlag.FENCE, 101], [PageFlag.FENCE, 102], null],
    );
  });

  it("wakes another sleeping worker for pages that may be unread since the last tick, once", () => {
    let id = 100;
    const wake = (): void => queue.wakeOne(() => (id += 1));
    wake();
    const job = newJob();
    queue.submit(job);
    wake();
    assert.deepEqual(readIds(), [job.id]);
    wake();
    assert.deepEqual(readIds(), [101]);
    wake();
    assert.deepEqual(readIds(), []);
    const next = newJob();
    queue.submit(next);
    wake();
    wake();
    // The last one has not been taken.
    assert.deepEqual(readIds(), [next.id]);
    assert.equal(queue.takeFence(101), 0);
    wake();
    assert.deepEqual(readIds(), [102]);
    assert.equal(queue.takeFence(102), 0);
    const answered = newJob();
    queue.submit(answered);
    readIds();
    wake();
    for (const done of [job, next, answered]) queue.release(done);
    wake();
    assert.deepEqual(readIds(), []);
  });

  it("leaves no byte of a request behind in the next page", () => {
    const long = new RecordedRequest(`GET\0/${"x".repeat(2000)}`, Buffer.from("secret"));
    queue.submit(newJob(long));
    queue.submit(newJob());
    queue.flush();
    fifo.read();
    const page = fifo.read();
    assert.ok(page !== null);
    const used = 32 + page.readUInt16LE(4);
    assert.ok(page.subarray(used).every((byte) => byte === 0));
  });

  it("follows the number of workers: the pipe's depth, and how many jobs may wait", () => {
    const other = new RequestQueue(fifo.fd, {
      limit: 100,
      timeoutMs: 5000,
      capacity: 16,
      workers: 4,
      pipePages: 1000,
    });
    other.resize(1, 4);
    const admissions = Array.from({ length: 105 }, () => other.submit(newJob()));
    other.close();
    assert.equal(other.waiting, 104 - 4 - 16);
    assert.deepEqual(admissions.slice(-2), ["taken", "queue-full"]);
  });

  it("keeps jobs when the pipe is full and writes them when it is not", () => {
    const small = new RequestQueue(fifo.fd, {
      limit: 1000,
      timeoutMs: 5000,
      capacity: 2,
      workers: 8,
      pipePages: 1000,
    });
    // The default pipe holds 16 pages; the queue believes that it holds more.
    const jobs = Array.from({ length: 60 }, () => newJob());
    for (const job of jobs) assert.equal(small.submit(job), "taken");
    const seen: number[] = [];
    for (let i = 0; i < 10 && seen.length < 60; i += 1) {
      small.pump();
      seen.push(...readIds());
    }
    small.close();
    assert.deepEqual(
      seen,
      jobs.map((job) => job.id),
    );
  });

  it("forgets jobs whose clients have left, also between jobs that wait", async () => {
    const jobs = Array.from({ length: 16 }, () => newJob());
    for (const job of jobs) queue.submit(job);
    const first = newJob();
    queue.submit(first);
    const left: WeakRef<Job>[] = [];
    const last: Job[] = [];
    for (let count = 0; count < 1000; count += 1) {
      const job = newJob();
      assert.equal(queue.submit(job), "taken");
      const next = newJob();
      assert.equal(queue.submit(next), "taken");
      drop(job);
      left.push(new WeakRef(job));
      // One waits behind those that have left, so that they are not the last.
      for (const before of last.splice(0)) drop(before);
      last.push(next);
    }
    assert.equal(queue.waiting, 2);
    // A WeakRef holds its job until the turn is over.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    const kept = left.filter((one) => one.deref() !== undefined).length;
    assert.ok(kept <= 70, `${kept} jobs of 1000 are kept`);
    for (const job of jobs) queue.release(job);
    assert.deepEqual([...readIds(), ...readIds()].slice(-2), [first.id, last[0]?.id]);
  });
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  assert.ok(typeof collect === "function");
  Reflect.apply(collect, undefined, []);
}
