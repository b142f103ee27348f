// The states of a job, and which moves each allows: the drawing in job.ts, move by move.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { FrameFault } from "../../src/workers/frame.ts";
import { JobStateError, type Job, type JobState } from "../../src/workers/job.ts";
import { RecordedRequest } from "../support/jobs.ts";

type Move = (job: Job) => void;

const MOVES = {
  submit: (job) => job.submit(2, 20),
  wait: (job) => job.wait(),
  enqueue: (job) => job.enqueue(3),
  take: (job) => job.take(7, 30),
  respond: (job) => job.respond(40),
  progress: (job) => job.progress(50),
  detach: (job) => job.detach(60),
  abandon: (job) => job.abandon(1),
  retry: (job) => job.retry(),
  requeue: (job) => job.requeue(),
  finish: (job) => job.finish(),
} satisfies Readonly<Record<string, Move>>;

type MoveName = keyof typeof MOVES;

/** The moves that lead to a state, and what each move there leads to; all others are illegal. */
const STATES: Readonly<
  Record<JobState, readonly [MoveName[], Partial<Record<MoveName, JobState>>]>
> = {
  new: [[], { submit: "new", wait: "waiting", enqueue: "queued", finish: "done" }],
  waiting: [["wait"], { enqueue: "queued", finish: "done" }],
  queued: [
    ["enqueue"],
    {
      take: "queued",
      respond: "responding",
      detach: "detached",
      abandon: "abandoned",
      retry: "new",
      requeue: "new",
      finish: "done",
    },
  ],
  responding: [
    ["enqueue", "respond"],
    { take: "responding", progress: "responding", abandon: "abandoned", finish: "done" },
  ],
  detached: [["enqueue", "detach"], { take: "detached", abandon: "abandoned", finish: "done" }],
  abandoned: [["enqueue", "abandon"], { take: "abandoned", finish: "done" }],
  done: [["finish"], {}],
};

function jobAfter(moves: readonly MoveName[]): Job {
  const { job } = new RecordedRequest();
  job.submit(1, 10);
  for (const move of moves) MOVES[move](job);
  return job;
}

const names = Object.keys(MOVES).filter((name): name is MoveName => name in MOVES);

for (const [state, [way, moves]] of Object.entries(STATES))
  describe(`a job that is ${state}`, () => {
    for (const name of names) {
      const next = moves[name];
      const job = jobAfter(way);
      if (next === undefined)
        it(`refuses "${name}", and stays what it is`, () => {
          const before = { ...job };
          assert.throws(() => MOVES[name](job), JobStateError);
          assert.deepEqual({ ...job }, before);
        });
      else
        it(`is ${next} after "${name}"`, () => {
          assert.equal(job.state, state);
          MOVES[name](job);
          assert.equal(job.state, next);
        });
    }
  });

it("an illegal move on a worker's frame ends the worker, as a FrameFault does", () => {
  assert.throws(() => jobAfter(["finish"]).respond(1), FrameFault);
});

it("keeps who has it, and since when", () => {
  const job = jobAfter(["enqueue"]);
  assert.deepEqual([job.id, job.submittedAt, job.place, job.worker], [1, 10, 3, 0]);
  job.take(7, 0);
  assert.deepEqual([job.worker, job.takenAt], [7, 0]);
  job.take(7, 30);
  job.take(7, 0);
  assert.deepEqual([job.worker, job.takenAt], [7, 30]);
  job.respond(40);
  assert.equal(job.lastBytesAt, 40);
  job.progress(50);
  assert.equal(job.lastBytesAt, 50);
});

it("leaves the pipe once", () => {
  const job = jobAfter(["enqueue"]);
  assert.deepEqual([job.leavePipe(), job.leavePipe(), job.place], [true, false, 0]);
});

it("is retried once, and only where that does no harm", () => {
  const job = jobAfter(["enqueue", "take"]);
  assert.ok(job.mayRetry);
  job.retry();
  assert.deepEqual([job.worker, job.takenAt, job.place], [0, 0, 0]);
  job.submit(2, 20);
  job.enqueue(4);
  assert.ok(!job.mayRetry);
  assert.throws(() => job.retry(), JobStateError);
  const harmful = new RecordedRequest();
  harmful.isRepeatable = false;
  harmful.job.submit(1, 10);
  harmful.job.enqueue(1);
  assert.ok(!harmful.job.mayRetry);
});

it("is heard by whoever listens last", () => {
  const [first, second] = [new RecordedRequest(), new RecordedRequest()];
  first.job.listenWith(second);
  first.job.listener.onLost("stopping");
  assert.deepEqual([first.heard, second.heard], [[], ["lost stopping"]]);
});
