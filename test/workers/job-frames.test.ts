// What each frame of a worker does to its job, and what no worker may send.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FrameFault, FrameType } from "../../src/workers/frame.ts";
import { readJobFrame, type FrameOutcome } from "../../src/workers/job-frames.ts";
import { RecordedRequest } from "../support/jobs.ts";

type Name = Exclude<keyof typeof FrameType, "READY">;

const NOW = 100_000;

/** A request whose page a worker has taken. */
function taken(): RecordedRequest {
  const request = new RecordedRequest();
  request.job.submit(1, NOW - 2000);
  request.job.enqueue(1);
  request.job.take(7, 0);
  return request;
}

function read(
  { job }: RecordedRequest,
  name: Name,
  text = "",
  isEnd = false,
  count = 0,
): FrameOutcome {
  const prefix = Buffer.alloc(name === "HEAD" ? 12 : 0);
  if (name === "HEAD") {
    prefix.writeDoubleLE(NOW / 1000 - 1, 0);
    prefix.writeUInt32LE(text.length, 8);
  }
  const payload = Buffer.concat([prefix, Buffer.from(text, "latin1")]);
  const send = (): void => assert.fail("a frame was sent");
  return readJobFrame(job, { type: FrameType[name], isEnd, count, payload }, NOW, send);
}

test("a head says when its worker took the job, and begins the response", () => {
  const request = taken();
  assert.equal(read(request, "HEAD", "200 OK"), "begun");
  const { state, takenAt, lastBytesAt } = request.job;
  assert.deepEqual([state, takenAt, lastBytesAt], ["responding", NOW - 1000, NOW]);
});

test("hints come before the head, as many as there are", () => {
  const request = taken();
  assert.equal(read(request, "EARLY_HINT", "103 Early Hints\0link\0</a>", false, 1), "none");
  assert.equal(read(request, "EARLY_HINT", "103 Early Hints", false, 0), "none");
  assert.equal(request.job.state, "queued");
  assert.equal(read(request, "HEAD", "200 OK"), "begun");
  assert.deepEqual(request.heard, [
    "hint 103 Early Hints\0link\0</a> 1",
    "hint 103 Early Hints 0",
    "head 200 OK 0 ",
  ]);
  assert.throws(() => read(request, "EARLY_HINT", "103 Early Hints"), FrameFault);
});

test("trailers are the end of an answer that has begun", () => {
  const request = taken();
  assert.throws(() => read(request, "TRAILERS", "x\0y", true, 1), FrameFault);
  read(request, "HEAD", "200 OK");
  assert.throws(() => read(request, "TRAILERS", "x\0y", false, 1), FrameFault);
  assert.equal(read(request, "TRAILERS", "x\0y", true, 1), "none");
  assert.deepEqual(request.heard.slice(1), ["trailers x\0y 1"]);
});

test("a job that nobody waits for hears of a fault alone, and its worker is told once", () => {
  const request = taken();
  request.job.abandon(1);
  assert.equal(read(request, "EARLY_HINT", "103 Early Hints"), "none");
  assert.equal(read(request, "TRAILERS", "", true), "none");
  assert.equal(read(request, "BODY", "x"), "none");
  assert.equal(read(request, "HEAD", "200 OK", true), "none");
  assert.equal(read(request, "HEAD", "200 OK"), "unwanted");
  assert.deepEqual(request.heard, []);
  assert.equal(read(request, "FAULT", "it failed"), "none");
  assert.deepEqual(request.heard, ["fault it failed"]);
});

test("a job whose response is on a socket hears of a fault alone", () => {
  const request = taken();
  request.job.detach(NOW);
  assert.equal(read(request, "HEAD", "200 OK", true), "none");
  assert.equal(read(request, "HEAD", "200 OK"), "unwanted");
  assert.equal(read(request, "BODY", "x", true), "none");
  assert.throws(() => read(request, "EARLY_HINT", "103 Early Hints"), FrameFault);
  assert.deepEqual(request.heard, []);
  read(request, "FAULT", "it failed");
  assert.deepEqual(request.heard, ["fault it failed"]);
});

test("frames of a WebSocket are a fault where the request is no handshake", () => {
  for (const name of ["WS_ACCEPT", "WS_TEXT", "WS_BINARY", "WS_CLOSE"] as const)
    assert.throws(() => read(taken(), name), FrameFault, name);
});

test("a body before the head, and a second head, are the worker's faults", () => {
  const request = taken();
  assert.throws(() => read(request, "BODY", "x"), FrameFault);
  read(request, "HEAD", "200 OK");
  assert.throws(() => read(request, "HEAD", "200 OK"), FrameFault);
  assert.equal(read(request, "FAULT", "it failed"), "none");
  assert.equal(request.heard.at(-1), "fault it failed");
});

/** Reads a FILE frame; frames that are sent to the worker go into `sent`. */
function offer({ job }: RecordedRequest, rest: Buffer, sent: Buffer[] = [], isEnd = false): void {
  const head = Buffer.alloc(12 + 6);
  head.writeDoubleLE(NOW / 1000 - 1, 0);
  head.writeUInt32LE(6, 8);
  head.write("200 OK", 12);
  const payload = Buffer.concat([head, rest]);
  const frame = { type: FrameType.FILE, isEnd, count: 0, payload };
  readJobFrame(job, frame, NOW, (_, bytes) => void sent.push(bytes));
}

const PART = Buffer.concat([Buffer.alloc(16), Buffer.from("/f")]);

test("a file begins the response when it is open, and the worker is told", () => {
  const request = taken();
  const sent: Buffer[] = [];
  offer(request, PART, sent);
  assert.deepEqual([request.job.state, sent.length], ["queued", 0]);
  assert.equal(request.files[0]?.tell(true), true);
  const { state, takenAt, lastBytesAt } = request.job;
  assert.deepEqual([state, takenAt, lastBytesAt], ["responding", NOW - 1000, NOW]);
  assert.deepEqual(
    sent.map((frame) => [frame[4], frame[6]]),
    [[FrameType.FILE_RESULT, 1]],
  );
  assert.throws(() => read(request, "HEAD", "200 OK"), FrameFault);
});

test("a file that cannot be opened leaves the response to the worker", () => {
  const request = taken();
  const sent: Buffer[] = [];
  offer(request, PART, sent);
  assert.equal(request.files[0]?.tell(false), true);
  assert.deepEqual(
    sent.map((frame) => [frame[4], frame[6]]),
    [[FrameType.FILE_RESULT, 0]],
  );
  assert.equal(read(request, "HEAD", "200 OK"), "begun");
});

test("a file is nobody's once its client has left, or its request is run once more", () => {
  const left = taken();
  offer(left, PART);
  left.job.abandon(NOW);
  const again = taken();
  offer(again, PART);
  again.job.retry();
  again.job.submit(2, NOW);
  again.job.enqueue(2);
  const sent = left.files.concat(again.files).map(({ tell }) => tell(true));
  assert.deepEqual(sent, [false, false]);
  assert.equal(again.job.state, "queued");
});

test("a file without a path, as a last frame, or amid a response breaks the protocol", () => {
  assert.throws(() => offer(taken(), PART.subarray(0, 16)), FrameFault);
  assert.throws(() => offer(taken(), PART, [], true), FrameFault);
  const request = taken();
  read(request, "HEAD", "200 OK");
  assert.throws(() => offer(request, PART), FrameFault);
});
