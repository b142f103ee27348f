// What frames mean for jobs, and who is late. Time is given; the pipe is real.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { monotonic } from "../../src/workers/clock.ts";
import { JobTable } from "../../src/workers/job-table.ts";
import { RequestQueue } from "../../src/workers/queue.ts";
import { FrameFault, FrameType } from "../../src/workers/frame.ts";
import { type Note } from "../../src/workers/page.ts";
import { makeFifo, type Fifo } from "../support/fifo.ts";
import { RecordedJob } from "../support/jobs.ts";

const WORKER = 7;

describe("JobTable", () => {
  let fifo: Fifo;
  let queue: RequestQueue;
  let table: JobTable;
  let sent: [number, number, number][];
  let cancelled: number[];

  beforeEach(() => {
    fifo = makeFifo();
    queue = new RequestQueue(fifo.fd, {
      limit: 20,
      timeout: 5,
      capacity: 2,
      workers: 1,
      pipePages: 24,
    });
    sent = [];
    table = new JobTable({
      leastTimeout: 30,
      send: (worker, frame) => sent.push([worker, frame[4] ?? 0, frame.readUInt16LE(6)]),
    });
    cancelled = [];
    table.use(queue, { cancel: (id) => cancelled.push(id) });
  });
  afterEach(() => {
    queue.close();
    fifo.remove();
  });

  function submit(job = new RecordedJob()): RecordedJob {
    table.submit(job);
    return job;
  }
  function head(job: RecordedJob, body = "", isEnd = true, worker = WORKER): void {
    const text = "200 OK";
    const payload = Buffer.alloc(12);
    payload.writeDoubleLE(monotonic(), 0);
    payload.writeUInt32LE(text.length, 8);
    const whole = Buffer.concat([payload, Buffer.from(text + body)]);
    table.onFrame(worker, FrameType.HEAD, job.id, isEnd, 0, whole);
  }
  const body = (job: RecordedJob, text: string, isEnd: boolean): boolean =>
    table.onFrame(WORKER, FrameType.BODY, job.id, isEnd, 0, Buffer.from(text));
  const noNotes = (): Map<number, [number, Note]> => new Map();
  const noted = (job: RecordedJob, takenAt: number): Map<number, [number, Note]> =>
    new Map([[job.id, [WORKER, { id: job.id, takenAt, thread: "1" }]]]);

  it("gives a whole answer to its job and forgets it", () => {
    const job = submit();
    head(job, "hello");
    assert.deepEqual(job.heard, ["head 200 OK 0 hello whole"]);
    assert.equal(job.state, "done");
    assert.equal(table.size, 0);
  });

  it("gives a streamed answer piece by piece", () => {
    const job = submit();
    head(job, "a", false);
    body(job, "b", false);
    body(job, "", true);
    assert.deepEqual(job.heard, ["head 200 OK 0 a", "body b", "body  last"]);
    assert.equal(table.size, 0);
  });

  it("never gives one worker's frames to a job that another worker has", () => {
    const job = submit();
    head(job, "a", false);
    table.onFrame(WORKER + 1, FrameType.BODY, job.id, true, 0, Buffer.from("stolen"));
    assert.deepEqual(job.heard, ["head 200 OK 0 a"]);
  });

  it("drops a late answer to a finished request", () => {
    const job = submit();
    head(job);
    head(job, "again");
    assert.equal(job.heard.length, 1);
  });

  it("refuses frames that cannot be: a second head, a body before it, a head beyond its frame", () => {
    const job = submit();
    assert.throws(() => body(job, "x", false), FrameFault);
    head(job, "", false);
    assert.throws(() => head(job), FrameFault);
    const long = Buffer.alloc(12);
    long.writeUInt32LE(1, 8);
    const other = submit();
    assert.throws(() => table.onFrame(WORKER, FrameType.HEAD, other.id, true, 0, long), FrameFault);
  });

  it("tells a job that its application failed", () => {
    const job = submit();
    table.onFrame(WORKER, FrameType.FAULT, job.id, false, 0, Buffer.from("Traceback"));
    assert.deepEqual(job.heard, ["fault Traceback"]);
  });

  it("hands over a body that did not fit into the page, in pieces with an end", () => {
    const job = submit(new RecordedJob("v", Buffer.alloc(600_000)));
    table.onFrame(WORKER, FrameType.FETCH, job.id, false, 0, Buffer.alloc(0));
    assert.deepEqual(
      sent.map(([, type]) => type),
      Array(3).fill(FrameType.INPUT),
    );
  });

  it("hands over a record that did not fit before the body", () => {
    const job = submit(new RecordedJob("v".repeat(9000), Buffer.from("b")));
    table.onFrame(WORKER, FrameType.FETCH, job.id, false, 0, Buffer.alloc(0));
    assert.deepEqual(
      sent.map(([, type]) => type),
      [FrameType.RECORD, FrameType.INPUT],
    );
  });

  it("gives the jobs that a dead worker noted and did not answer, and no others", () => {
    const answered = submit();
    const held = submit();
    const queued = submit();
    head(answered);
    const notes = [answered, held].map((job) => ({ id: job.id, takenAt: 1, thread: "1" }));
    assert.deepEqual(table.takeHeld(WORKER, notes), [held]);
    table.lose(held, "worker-died");
    assert.deepEqual(held.heard, ["lost worker-died"]);
    assert.deepEqual(queued.heard, []);
  });

  it("gives the jobs that a dead worker had begun to answer", () => {
    const job = submit();
    head(job, "a", false);
    assert.deepEqual(table.takeHeld(WORKER, []), [job]);
    assert.equal(job.state, "answering");
  });

  it("runs a job once more under a number that no page has had", () => {
    const job = submit();
    const first = job.id;
    const [held] = table.takeHeld(WORKER, [{ id: first, takenAt: 1, thread: "1" }]);
    assert.equal(held, job);
    table.retry(job);
    assert.ok(job.id > first);
    assert.equal(job.retries, 1);
    head(job, "again");
    assert.deepEqual(job.heard, ["head 200 OK 0 again whole"]);
  });

  it("holds each job to its own time", () => {
    const patient = new RecordedJob();
    patient.timeout = 0;
    const hasty = new RecordedJob();
    submit(patient);
    submit(hasty);
    const now = monotonic() + 31;
    const notes = new Map([...noted(patient, now - 30.5), ...noted(hasty, now - 30.5)]);
    assert.deepEqual(
      table.tick(now, () => notes).map(({ job }) => job),
      [hasty],
    );
  });

  it("finds what went with a broken channel: taken before a fence, noted nowhere, not answered", () => {
    const lost = submit();
    const kept = submit();
    const fence = table.nextId();
    queue.fence(1, () => fence);
    const later = submit();
    table.onFence(fence);
    const now = monotonic();
    const notes = new Map([
      [kept.id, [WORKER, { id: kept.id, takenAt: now, thread: "1" }] as [number, Note]],
    ]);
    table.tick(now + 0.5, () => notes);
    assert.deepEqual(lost.heard, []);
    // The front may have stood still: what came meanwhile is read before the next tick.
    table.tick(now + 1.5, () => notes);
    assert.deepEqual(lost.heard, []);
    table.tick(now + 1.6, () => notes);
    assert.deepEqual(lost.heard, ["lost worker-died"]);
    assert.deepEqual([...kept.heard, ...later.heard], []);
  });

  it("ends a job past its deadline, counted from its taking, and tells the worker", () => {
    const job = submit();
    const now = monotonic() + 31;
    assert.deepEqual(
      table.tick(now, () => noted(job, now - 29)),
      [],
    );
    const overdue = table.tick(now + 1.5, () => noted(job, now - 29));
    assert.equal(overdue.length, 1);
    assert.equal(overdue[0]?.worker, WORKER);
    assert.deepEqual(job.heard, ["lost deadline"]);
    // Its worker is asked first where it is.
    assert.notDeepEqual(sent.at(-1), [WORKER, FrameType.CANCEL, 2]);
    for (const late of overdue) table.interrupt(late);
    assert.deepEqual(sent.at(-1), [WORKER, FrameType.CANCEL, 2]);
  });

  it("ends a stream whose chunks stop, but not one that its client holds up", () => {
    const stuck = submit();
    const held = submit();
    head(stuck, "a", false);
    head(held, "a", false);
    held.isHeld = true;
    const overdue = table.tick(monotonic() + 31, noNotes);
    assert.deepEqual(
      overdue.map(({ job }) => job),
      [stuck],
    );
    assert.equal(stuck.heard.at(-1), "lost deadline");
  });

  it("answers a job that nobody has taken in time", () => {
    const job = submit();
    table.tick(monotonic() + 4.9, noNotes);
    // Who took it at the last moment may have answered, and what it has sent is not read yet.
    table.tick(monotonic() + 5.1, noNotes);
    assert.deepEqual(job.heard, []);
    table.tick(monotonic() + 5.2, noNotes);
    assert.deepEqual(job.heard, ["lost queue-timeout"]);
  });

  it("answers 20 waiting jobs in time and refuses the 23rd at once", () => {
    const jobs = Array.from({ length: 23 }, () => submit());
    assert.deepEqual(jobs.at(-1)?.heard, ["lost queue-full"]);
    table.tick(monotonic() + 5.1, noNotes);
    // 16 lie in the pipe, 6 waited in front of it.
    assert.equal(jobs.filter((job) => job.heard[0] === "lost queue-timeout").length, 6);
  });

  it("drops a cancelled job that waits, and keeps the books of one that runs until its end", () => {
    const jobs = Array.from({ length: 17 }, () => submit());
    const [running] = jobs;
    const waiting = jobs.at(-1);
    assert.ok(running !== undefined && waiting !== undefined);
    table.cancel(waiting);
    assert.equal(waiting.state, "done");
    table.cancel(running);
    assert.equal(table.size, 16);
    head(running, "nobody hears this");
    assert.deepEqual(running.heard, []);
    assert.equal(table.size, 15);
  });

  it("tells the worker of a cancelled job as soon as its notes show who has it", () => {
    const job = submit();
    table.cancel(job);
    assert.deepEqual(sent, []);
    // Who takes it from here on does not begin it.
    assert.deepEqual(cancelled, [job.id]);
    table.tick(monotonic(), () => noted(job, monotonic()));
    assert.deepEqual(sent, [[WORKER, FrameType.CANCEL, 1]]);
  });

  it("loses everything when the pool stops", () => {
    const jobs = Array.from({ length: 20 }, () => submit());
    table.loseAll("stopping");
    assert.ok(jobs.every((job) => job.heard[0] === "lost stopping" && job.heard.length === 1));
    assert.equal(table.size, 0);
  });
});
