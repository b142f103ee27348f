// Frames of an answer: what each does to its job, and what no worker may send.

import assert from "node:assert/strict";
import { test } from "node:test";

import { readAnswer, type Became } from "../../src/workers/answer.ts";
import { FrameFault, FrameType } from "../../src/workers/frame.ts";
import { RecordedJob } from "../support/jobs.ts";

type Name = "HEAD" | "BODY" | "EARLY_HINT" | "TRAILERS" | "FAULT";

function taken(): RecordedJob {
  const job = new RecordedJob();
  job.state = "queued";
  return job;
}

function read(job: RecordedJob, name: Name, text: string, isEnd = false, count = 0): Became {
  const prefix = Buffer.alloc(name === "HEAD" ? 12 : 0);
  if (name === "HEAD") prefix.writeUInt32LE(text.length, 8);
  const payload = Buffer.concat([prefix, Buffer.from(text, "latin1")]);
  return readAnswer(job, { type: FrameType[name], isEnd, count, payload });
}

test("hints come before the head, as many as there are", () => {
  const job = taken();
  assert.equal(read(job, "EARLY_HINT", "103 Early Hints\0link\0</a>", false, 1), "running");
  assert.equal(read(job, "EARLY_HINT", "103 Early Hints", false, 0), "running");
  assert.equal(job.state, "queued");
  assert.equal(read(job, "HEAD", "200 OK"), "streaming");
  assert.deepEqual(job.heard, [
    "hint 103 Early Hints\0link\0</a> 1",
    "hint 103 Early Hints 0",
    "head 200 OK 0 ",
  ]);
  assert.throws(() => read(job, "EARLY_HINT", "103 Early Hints"), FrameFault);
});

test("trailers are the end of an answer that has begun", () => {
  const job = taken();
  assert.throws(() => read(job, "TRAILERS", "x\0y", true, 1), FrameFault);
  read(job, "HEAD", "200 OK");
  assert.throws(() => read(job, "TRAILERS", "x\0y", false, 1), FrameFault);
  assert.equal(read(job, "TRAILERS", "x\0y", true, 1), "over");
  assert.deepEqual(job.heard.slice(1), ["trailers x\0y 1"]);
});

test("a job that nobody waits for hears of neither, and ends with its last frame", () => {
  const job = taken();
  job.state = "abandoned";
  assert.equal(read(job, "EARLY_HINT", "103 Early Hints"), "running");
  assert.equal(read(job, "TRAILERS", "", true), "over");
  assert.deepEqual(job.heard, []);
});

test("a body before the head, and a second head, are the worker's faults", () => {
  const job = taken();
  assert.throws(() => read(job, "BODY", "x"), FrameFault);
  read(job, "HEAD", "200 OK");
  assert.throws(() => read(job, "HEAD", "200 OK"), FrameFault);
  assert.equal(read(job, "FAULT", "it failed"), "over");
  assert.equal(job.heard.at(-1), "fault it failed");
});
