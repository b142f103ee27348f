// What becomes of a job in each state: by frames, deadlines, its client, its worker's end. Time is given; the
// pipe is real.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { FrameFault, FrameType } from "../../src/workers/frame.ts";
import type { Job, LostReason } from "../../src/workers/job.ts";
import type { Found } from "../../src/workers/job-deadlines.ts";
import { JobTable } from "../../src/workers/job-table.ts";
import type { Note } from "../../src/workers/page.ts";
import { RequestQueue } from "../../src/workers/queue.ts";
import { makeFifo, type Fifo } from "../support/fifo.ts";
import { RecordedHandshake, RecordedRequest } from "../support/jobs.ts";

const WORKER = 7;
/** CLOCK_MONOTONIC milliseconds at the start of each test. */
const START = 1_000_000;

describe("JobTable", () => {
  let fifo: Fifo;
  let queue: RequestQueue;
  let table: JobTable;
  let now: number;
  let sent: [worker: number, type: number, count: number][];
  let cancelled: number[];
  /** Accepted WebSockets of each worker. */
  let webSockets: number[];

  beforeEach(() => {
    now = START;
    fifo = makeFifo();
    queue = new RequestQueue(fifo.fd, {
      limit: 20,
      timeoutMs: 5000,
      capacity: 2,
      workers: 1,
      pipePages: 24,
    });
    sent = [];
    webSockets = [];
    table = new JobTable({
      leastTimeoutMs: 30_000,
      webSocketLimit: 2,
      onWebSocket: (worker, change) =>
        void (webSockets[worker] = (webSockets[worker] ?? 0) + change),
      send: (worker, bytes) => sent.push([worker, bytes[4] ?? 0, bytes.readUInt16LE(6)]),
      now: () => now,
    });
    cancelled = [];
    table.use(queue, { cancel: (id) => cancelled.push(id) });
  });
  afterEach(() => {
    queue.close();
    fifo.remove();
  });

  function submit(request = new RecordedRequest()): RecordedRequest {
    table.submit(request.job);
    return request;
  }
  /** The 17th and later ones wait in front of the pipe. */
  function submitMany(count: number): RecordedRequest[] {
    return Array.from({ length: count }, () => submit());
  }
  /** One that waits in front of the pipe. */
  function submitWaiting(): RecordedRequest {
    submitMany(16);
    const request = submit();
    assert.equal(request.job.state, "waiting");
    return request;
  }
  function frame(
    { job }: RecordedRequest,
    type: number,
    payload: string | Buffer = "",
    { isEnd = false, worker = WORKER } = {},
  ): void {
    table.onFrame(worker, type, job.id, isEnd, 0, Buffer.from(payload));
  }
  /** The head of a response; the worker took the request at this moment. */
  function head(request: RecordedRequest, body = "", { isEnd = true, worker = WORKER } = {}): void {
    const text = "200 OK";
    const prefix = Buffer.alloc(12);
    prefix.writeDoubleLE(now / 1000, 0);
    prefix.writeUInt32LE(text.length, 8);
    const payload = Buffer.concat([prefix, Buffer.from(text + body)]);
    frame(request, FrameType.HEAD, payload, { isEnd, worker });
  }
  /** The worker has told that it runs the request. */
  function taken(request: RecordedRequest): void {
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64LE(BigInt(request.job.id));
    table.onFrame(WORKER, FrameType.TAKEN, 0, false, 0, payload);
  }
  const noteOf = ({ job }: RecordedRequest, takenAt = now): Note => ({
    id: job.id,
    takenAt,
    thread: "1",
  });
  const noted = (...requests: RecordedRequest[]): ReadonlyMap<number, Found> =>
    new Map(requests.map((request) => [request.job.id, [WORKER, noteOf(request)]]));
  /** Ticks at this time; `notes`: what the workers have noted. Returns the jobs past their deadline. */
  const tick = (at: number, notes: ReadonlyMap<number, Found> = new Map()): Job[] => {
    now = at;
    return table.tick(now, () => notes).map(({ job }) => job);
  };
  /** The worker has ended: what it held is run once more if it may be, else lost. */
  const die = (...notes: Note[]): void => {
    for (const job of table.takeHeld(WORKER, notes))
      if (job.mayRetry) table.retry(job);
      else table.lose(job, "worker-died");
  };

  describe("WebSockets", () => {
    const lost = "lost web-sockets-full";

    it("have a limit of their own, from the handshake to the job's end", () => {
      const [first, second] = [submit(new RecordedHandshake()), submit(new RecordedHandshake())];
      frame(first, FrameType.WS_ACCEPT);
      assert.deepEqual(submit(new RecordedHandshake()).heard, [lost]);
      assert.deepEqual(submit().heard, []);
      frame(first, FrameType.WS_CLOSE, "", { isEnd: true });
      const third = submit(new RecordedHandshake());
      assert.deepEqual([third.heard, submit(new RecordedHandshake()).heard], [[], [lost]]);
      // Denied, and a worker that died.
      frame(second, FrameType.WS_CLOSE, "", { isEnd: true });
      frame(third, FrameType.WS_ACCEPT);
      die();
      assert.deepEqual(submit(new RecordedHandshake()).heard, []);
      assert.deepEqual(submit(new RecordedHandshake()).heard, []);
      assert.deepEqual(submit(new RecordedHandshake()).heard, [lost]);
    });

    it("count as long as the application runs, also without a client", () => {
      const [first, second] = [submit(new RecordedHandshake()), submit(new RecordedHandshake())];
      taken(first);
      table.cancel(first.job);
      table.cancel(second.job);
      assert.deepEqual(submit(new RecordedHandshake()).heard, [lost]);
      frame(first, FrameType.WS_CLOSE, "", { isEnd: true });
      assert.deepEqual(submit(new RecordedHandshake()).heard, []);
    });

    it("that run once more count once", () => {
      const first = submit(new RecordedHandshake());
      taken(first);
      die();
      assert.equal(first.job.state, "queued");
      submit(new RecordedHandshake());
      assert.deepEqual(submit(new RecordedHandshake()).heard, [lost]);
    });

    it("are told of their worker while they are accepted, and run without a note", () => {
      const request = submit(new RecordedHandshake());
      frame(request, FrameType.TAKEN, Buffer.alloc(8));
      assert.equal(webSockets[WORKER], undefined);
      assert.equal(table.countRunning(new Set([request.job.id])), 1);
      frame(request, FrameType.WS_ACCEPT);
      assert.deepEqual([webSockets[WORKER], table.countRunning(new Set())], [1, 1]);
      frame(request, FrameType.WS_CLOSE, "", { isEnd: true });
      assert.deepEqual([webSockets[WORKER], table.countRunning(new Set())], [0, 0]);
    });
  });

  describe("frames", () => {
    it("give a whole response to its job, which has ended", () => {
      const request = submit();
      head(request, "hello");
      assert.deepEqual(request.heard, ["head 200 OK 0 hello whole"]);
      assert.equal(request.job.state, "done");
      assert.equal(table.size, 0);
    });

    it("give a streamed response piece by piece", () => {
      const request = submit();
      head(request, "a", { isEnd: false });
      frame(request, FrameType.BODY, "b");
      frame(request, FrameType.BODY, "", { isEnd: true });
      assert.deepEqual(request.heard, ["head 200 OK 0 a", "body b", "body  last"]);
      assert.equal(table.size, 0);
    });

    it("of one worker never come to a job that another worker has", () => {
      const request = submit();
      head(request, "a", { isEnd: false });
      frame(request, FrameType.BODY, "stolen", { isEnd: true, worker: WORKER + 1 });
      assert.deepEqual(request.heard, ["head 200 OK 0 a"]);
    });

    it("of a response that comes after its job has ended are dropped", () => {
      const request = submit();
      head(request);
      head(request, "again");
      assert.equal(request.heard.length, 1);
    });

    it("that cannot be are refused: a second head, a body before it, a head beyond its frame", () => {
      const request = submit();
      assert.throws(() => frame(request, FrameType.BODY, "x"), FrameFault);
      head(request, "", { isEnd: false });
      assert.throws(() => head(request), FrameFault);
      const long = Buffer.alloc(12);
      long.writeUInt32LE(1, 8);
      assert.throws(() => frame(submit(), FrameType.HEAD, long), FrameFault);
    });

    it("about a page that was not written are refused, whatever they say", () => {
      const request = submitWaiting();
      for (const type of [FrameType.EXPIRED, FrameType.HEAD, FrameType.FAULT, FrameType.FETCH])
        assert.throws(() => frame(request, type), FrameFault);
      assert.throws(() => taken(request), FrameFault);
      assert.deepEqual([request.job.state, request.heard], ["waiting", []]);
    });

    it("of credit for input have a length, else they are refused", () => {
      const request = submit();
      assert.throws(() => frame(request, FrameType.INPUT_CREDIT, "abc"), FrameFault);
      frame(request, FrameType.INPUT_CREDIT, Buffer.of(1, 1, 0, 0));
      assert.deepEqual(request.heard, ["read 257"]);
    });

    it("tell a job that its application failed", () => {
      const request = submit();
      frame(request, FrameType.FAULT, "Traceback");
      assert.deepEqual(request.heard, ["fault Traceback"]);
    });

    it("fetch a body that did not fit into the page, in pieces with an end", () => {
      frame(submit(new RecordedRequest("v", Buffer.alloc(600_000))), FrameType.FETCH);
      assert.deepEqual(
        sent.map(([, type]) => type),
        Array(3).fill(FrameType.INPUT),
      );
    });

    it("fetch a record that did not fit before the body", () => {
      frame(submit(new RecordedRequest("v".repeat(9000), Buffer.from("b"))), FrameType.FETCH);
      assert.deepEqual(
        sent.map(([, type]) => type),
        [FrameType.RECORD, FrameType.INPUT],
      );
    });

    it("fetch a streamed body as it comes", () => {
      const request = new RecordedRequest();
      request.isBodyStreamed = true;
      frame(submit(request), FrameType.FETCH);
      assert.deepEqual(request.heard, ["wanted"]);
      assert.deepEqual(sent, [[WORKER, FrameType.INPUT, 0]]);
    });

    it("of a page that was not begun lose its job", () => {
      const request = submit();
      frame(request, FrameType.EXPIRED);
      assert.deepEqual(request.heard, ["lost queue-timeout"]);
    });

    it("of a page for the other interface queue its job again, if the pool has that interface", () => {
      const request = submit();
      const { id } = request.job;
      const expired = (of: number): void =>
        void table.onFrame(WORKER, FrameType.EXPIRED, of, false, 1, Buffer.alloc(0));
      table.isConcurrent = true;
      expired(id);
      assert.deepEqual([request.heard, request.job.state], [[], "queued"]);
      assert.notEqual(request.job.id, id);
      assert(request.job.mayRetry);
      table.isConcurrent = false;
      expired(request.job.id);
      assert.deepEqual(request.heard, ["lost queue-timeout"]);
    });

    it("of a handshake for the other interface the same, whichever that is", () => {
      for (const offersSocket of [true, false]) {
        const request = new RecordedHandshake();
        request.offersSocket = offersSocket;
        table.submit(request.job);
        const expired = (of: number): void =>
          void table.onFrame(WORKER, FrameType.EXPIRED, of, false, 1, Buffer.alloc(0));
        table.isConcurrent = !offersSocket;
        expired(request.job.id);
        assert.deepEqual([request.heard, request.job.state], [[], "queued"]);
        table.isConcurrent = offersSocket;
        expired(request.job.id);
        assert.deepEqual(request.heard, ["lost queue-timeout"]);
      }
    });

    it("about a request that does not exist are refused", () => {
      assert.throws(
        () => table.onFrame(WORKER, FrameType.FETCH, 99, false, 0, Buffer.alloc(0)),
        FrameFault,
      );
    });

    it("of a worker that takes no more reach the jobs that it has", () => {
      const [mine, other] = submitMany(2);
      assert.ok(mine !== undefined && other !== undefined);
      taken(mine);
      table.onFrame(WORKER, FrameType.STOPPED, 0, false, 0, Buffer.alloc(0));
      assert.deepEqual([mine.heard, other.heard], [["leaving"], []]);
    });
  });

  it("takes from a worker's notes since when the jobs ran that died with it", () => {
    const request = submit();
    now = START + 3000;
    assert.deepEqual(table.takeHeld(WORKER, [noteOf(request, START + 10)]), [request.job]);
    assert.deepEqual([request.job.worker, request.job.takenAt], [WORKER, START + 10]);
  });

  it("believes no damaged notes: a time that is none, a job that another worker has", () => {
    const [mine, other] = submitMany(2);
    assert(mine !== undefined && other !== undefined);
    table.onFrame(WORKER + 1, FrameType.FETCH, other.job.id, false, 0, Buffer.alloc(0));
    now = START + 3000;
    const notes = [noteOf(mine, Infinity), noteOf(other), { id: 2 ** 64, takenAt: 1, thread: "" }];
    assert.deepEqual(table.takeHeld(WORKER, notes), [mine.job]);
    assert.equal(mine.job.takenAt, now);
    assert.deepEqual(other.heard, []);
  });

  it("is told since when one job runs, where the frame that follows does not say so", () => {
    const request = submit();
    const second = Buffer.alloc(8);
    second.writeDoubleLE((START + 20) / 1000);
    frame(request, FrameType.TAKEN, second);
    assert.deepEqual([request.job.worker, request.job.takenAt], [WORKER, START + 20]);
    assert.throws(() => frame(request, FrameType.TAKEN, "short"), FrameFault);
  });

  describe("a job that cannot be begun", () => {
    it("is lost at once where there is no pipe", () => {
      table.leave();
      assert.deepEqual(submit().heard, ["lost no-workers"]);
    });

    it("is lost at once where the queue is full, the others when their time is over", () => {
      const requests = submitMany(23);
      assert.deepEqual(requests.at(-1)?.heard, ["lost queue-full"]);
      tick(START + 5000);
      // 16 lie in the pipe, 6 waited in front of it.
      const lost = requests.filter(({ heard }) => heard[0] === "lost queue-timeout");
      assert.equal(lost.length, 6);
      assert.equal(queue.waiting, 0);
    });

    it("is lost when the rate shows that it would wait too long", () => {
      const requests = submitMany(20);
      for (let step = 1; step <= 20; step += 1) {
        tick(START + step * 100, noted(...requests));
        const done = requests[step / 10 - 1];
        if (done !== undefined) head(done);
      }
      tick(START + 2100, noted(...requests));
      assert.deepEqual(requests.at(-1)?.heard, ["lost overloaded"]);
      assert.deepEqual(submit().heard, []);
    });

    it("is lost where its page lies in the pipe and nobody took it in time", () => {
      const request = submit();
      tick(START + 4900);
      // A worker that took it at the last moment may have answered, which is not read yet.
      tick(START + 5100);
      assert.deepEqual(request.heard, []);
      tick(START + 5200);
      assert.deepEqual(request.heard, ["lost queue-timeout"]);
    });

    it("does not count twice when the end of another has ended it too", () => {
      submitMany(16);
      const second = new RecordedRequest();
      class Connected extends RecordedRequest {
        override onLost(reason: LostReason): void {
          super.onLost(reason);
          table.cancel(second.job);
        }
      }
      const first = submit(new Connected());
      submit(second);
      tick(START + 6000);
      assert.deepEqual([first.heard, second.heard], [["lost queue-timeout"], []]);
      assert.deepEqual([queue.waiting, second.job.state], [0, "done"]);
    });
  });

  describe("a deadline", () => {
    it("is each job's own", () => {
      const patient = new RecordedRequest();
      patient.timeoutMs = 0;
      submit(patient);
      const hasty = submit();
      now = START + 500;
      const notes = noted(patient, hasty);
      assert.deepEqual(tick(START + 31_000, notes), [hasty.job]);
    });

    it("counts from the taking, and its worker is told after it was asked where it is", () => {
      const request = submit();
      const notes = new Map([[request.job.id, [WORKER, noteOf(request, START + 2000)] as const]]);
      assert.deepEqual(tick(START + 31_000, notes), []);
      now = START + 32_500;
      const overdue = table.tick(now, () => notes);
      assert.deepEqual(
        overdue.map(({ job, worker, ageMs }) => [job, worker, ageMs]),
        [[request.job, WORKER, 30_500]],
      );
      assert.deepEqual(request.heard, ["lost deadline"]);
      assert.deepEqual(sent, []);
      for (const late of overdue) table.interrupt(late);
      assert.deepEqual(sent, [[WORKER, FrameType.CANCEL, 2]]);
    });

    it("ends a stream whose pieces stop, but not one that its client holds up", () => {
      const [stuck, held] = submitMany(2);
      assert.ok(stuck !== undefined && held !== undefined);
      head(stuck, "a", { isEnd: false });
      head(held, "a", { isEnd: false });
      held.isHeld = true;
      assert.deepEqual(tick(START + 31_000), [stuck.job]);
      assert.equal(stuck.heard.at(-1), "lost deadline");
    });

    it("between two pieces counts anew with each piece, and with credit for more", () => {
      const request = submit();
      head(request, "a", { isEnd: false });
      now = START + 20_000;
      frame(request, FrameType.BODY, "b");
      assert.deepEqual(tick(START + 40_000), []);
      table.credit(request.job, 1000);
      assert.deepEqual(sent, [[WORKER, FrameType.CREDIT, 0]]);
      assert.deepEqual(tick(START + 69_000), []);
      assert.deepEqual(tick(START + 71_000), [request.job]);
    });

    it("frees the worker of a job that nobody waits for, which hears nothing", () => {
      const request = submit();
      taken(request);
      table.cancel(request.job);
      assert.deepEqual(tick(START + 31_000), [request.job]);
      assert.deepEqual([request.heard, request.job.state, table.size], [[], "done", 0]);
    });

    it("of a job with a time of its own without a client counts from the client's leaving", () => {
      const request = new RecordedRequest();
      request.abandonTimeoutMs = 120_000;
      submit(request);
      taken(request);
      now = START + 20_000;
      table.cancel(request.job);
      assert.deepEqual(tick(START + 140_000), [], "its worker ends it by itself");
      now = START + 141_500;
      const overdue = table.tick(now, () => new Map());
      assert.deepEqual(
        overdue.map(({ job, ageMs, isAbandoned }) => [job, ageMs, isAbandoned]),
        [[request.job, 121_500, true]],
      );
      assert.deepEqual([request.heard, table.size], [[], 0]);
    });

    it("is none for a job that may go on without its client for ever", () => {
      const request = new RecordedRequest();
      request.abandonTimeoutMs = 0;
      submit(request);
      taken(request);
      table.cancel(request.job);
      assert.deepEqual(tick(START + 86_400_000), []);
    });

    it("does not count where the response is on a socket", () => {
      const request = submit();
      taken(request);
      request.job.detach(now);
      assert.deepEqual(tick(START + 1_000_000), []);
      head(request);
      assert.deepEqual([request.heard, table.size], [[], 0]);
    });
  });

  describe("a client that leaves", () => {
    it("drops a job that waits", () => {
      const request = submitWaiting();
      table.cancel(request.job);
      assert.deepEqual([request.job.state, queue.waiting, table.size], ["done", 0, 16]);
      assert.deepEqual([sent, cancelled], [[], []]);
    });

    it("keeps the place of a job that runs until its end", () => {
      const request = submit();
      table.cancel(request.job);
      assert.deepEqual([request.job.state, table.size], ["abandoned", 1]);
      head(request, "nobody hears this");
      assert.deepEqual([request.heard, table.size], [[], 0]);
    });

    it("keeps a job from being begun, and is told to the worker as soon as it is known", () => {
      const request = submit();
      table.cancel(request.job);
      assert.deepEqual([sent, cancelled], [[], [request.job.id]]);
      tick(START, noted(request));
      assert.deepEqual(sent, [[WORKER, FrameType.CANCEL, 1]]);
      tick(START + 100, noted(request));
      assert.equal(sent.length, 1);
    });

    it("is told to the worker again where that begins a response", () => {
      const request = submit();
      table.cancel(request.job);
      head(request, "a", { isEnd: false });
      assert.deepEqual(sent, [[WORKER, FrameType.CANCEL, 1]]);
    });

    it("is told at once where the worker is known, in each state that it can have", () => {
      const [begun, detached, running] = submitMany(3);
      assert.ok(begun !== undefined && detached !== undefined && running !== undefined);
      head(begun, "a", { isEnd: false });
      taken(detached);
      detached.job.detach(now);
      taken(running);
      for (const { job } of [begun, detached, running]) table.cancel(job);
      assert.deepEqual(
        sent,
        [1, 2, 3].map(() => [WORKER, FrameType.CANCEL, 1]),
      );
      // Neither is cancelled twice, nor is a job that has ended.
      head(running);
      for (const { job } of [begun, detached, running]) table.cancel(job);
      assert.equal(sent.length, 3);
    });

    it("closes its sending side: told to the worker, and after a while no worker begins the job", () => {
      const [waiting, running] = submitMany(2);
      assert.ok(waiting !== undefined && running !== undefined);
      taken(running);
      for (const { job } of [waiting, running]) table.halfClose(job, false);
      assert.deepEqual([sent, cancelled], [[[WORKER, FrameType.CANCEL, 3]], []]);
      for (const { job } of [waiting, running]) table.halfClose(job, true);
      assert.deepEqual(cancelled, [waiting.job.id]);
      assert.deepEqual([waiting.job.state, running.job.state], ["queued", "queued"]);
    });
  });

  describe("a worker that dies", () => {
    it("held the jobs that it noted and did not answer, and no others", () => {
      const [answered, held, queued] = submitMany(3);
      assert.ok(answered !== undefined && held !== undefined && queued !== undefined);
      head(answered);
      const jobs = table.takeHeld(WORKER, [noteOf(answered), noteOf(held)]);
      assert.deepEqual(jobs, [held.job]);
      table.lose(held.job, "worker-died");
      assert.deepEqual(held.heard, ["lost worker-died"]);
      assert.deepEqual(queued.heard, []);
    });

    it("loses a response that had begun: it is never run again", () => {
      const request = submit();
      head(request, "a", { isEnd: false });
      die();
      assert.deepEqual(request.heard, ["head 200 OK 0 a", "lost worker-died"]);
      assert.deepEqual([request.job.state, table.size], ["done", 0]);
    });

    it("loses a response on a socket", () => {
      const request = submit();
      taken(request);
      request.job.detach(now);
      die();
      assert.deepEqual(request.heard, ["lost worker-died"]);
    });

    it("ends a job that nobody waits for, which hears nothing", () => {
      const request = submit();
      table.cancel(request.job);
      die(noteOf(request));
      assert.deepEqual([request.heard, request.job.state], [[], "done"]);
    });

    it("has its job run once more, under a number that no page has had", () => {
      const request = submit();
      const { id } = request.job;
      now = START + 3000;
      die(noteOf(request));
      const { job } = request;
      assert.ok(job.id > id);
      assert.deepEqual([job.state, job.worker, job.takenAt], ["queued", 0, 0]);
      assert.equal(job.submittedAt, START + 3000);
      head(request, "again");
      assert.deepEqual(request.heard, ["head 200 OK 0 again whole"]);
    });

    it("has no job run a third time, nor one that may do harm", () => {
      const twice = submit();
      die(noteOf(twice));
      assert.deepEqual(twice.heard, []);
      die(noteOf(twice));
      assert.deepEqual(twice.heard, ["lost worker-died"]);
      const harmful = new RecordedRequest();
      harmful.isRepeatable = false;
      submit(harmful);
      die(noteOf(harmful));
      assert.deepEqual(harmful.heard, ["lost worker-died"]);
    });

    it("loses what went with its channel: taken before a fence, noted nowhere, not answered", () => {
      const [lost, kept] = submitMany(2);
      assert.ok(lost !== undefined && kept !== undefined);
      const fence = table.nextId();
      queue.fence(1, () => fence);
      const later = submit();
      table.onFence(fence);
      // Frames that were sent before this tick are read before the next one.
      tick(START + 100, noted(kept));
      assert.deepEqual(lost.heard, []);
      tick(START + 200, noted(kept));
      assert.deepEqual(lost.heard, ["lost worker-died"]);
      assert.deepEqual([...kept.heard, ...later.heard], []);
    });

    it("loses no job behind a fence that is answered meanwhile", () => {
      const request = submit();
      const fence = table.nextId();
      queue.fence(1, () => fence);
      table.onFence(fence);
      tick(START + 1500);
      head(request);
      tick(START + 1600);
      assert.deepEqual(request.heard, ["head 200 OK 0  whole"]);
    });
  });

  it("loses everything when the pool stops, in each state once", () => {
    const requests = submitMany(20);
    const [abandoned, begun, detached] = requests;
    assert.ok(abandoned !== undefined && begun !== undefined && detached !== undefined);
    table.cancel(abandoned.job);
    head(begun, "", { isEnd: false });
    taken(detached);
    detached.job.detach(now);
    table.loseAll("stopping");
    assert.deepEqual(abandoned.heard, []);
    for (const { heard } of requests.slice(1))
      assert.deepEqual(heard.slice(heard[0]?.startsWith("head") ? 1 : 0), ["lost stopping"]);
    assert.ok(requests.every(({ job }) => job.state === "done"));
    assert.deepEqual([table.size, queue.waiting], [0, 0]);
  });
});
