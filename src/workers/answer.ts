// What the frames of an answer mean for its job: hints, the head, the body, trailers, a fault. Moves the
// job's state, and says what became of it; the books are the table's.
//
//   queued ─EARLY_HINT…─▶ queued ─HEAD─▶ answering ─BODY…─▶ answering ─BODY with END, TRAILERS─▶ over
//      └─────────────── HEAD with END, FAULT ────────────────────┴──────────── FAULT ──────────────▲

import { monotonic } from "./clock.ts";
import { FrameFault, FrameType } from "./frame.ts";
import type { Job } from "./job.ts";

/** Bytes of a HEAD frame before the head: the second of taking and the head's length. */
const HEAD_PREFIX_BYTES = 12;

export interface AnswerFrame {
  readonly type: number;
  readonly isEnd: boolean;
  readonly count: number;
  /** Valid during the call only. */
  readonly payload: Buffer;
}

/** over: it was the last frame. streaming: the head came, the body follows. unwanted: nobody waits for it. */
export type Became = "over" | "streaming" | "running" | "unwanted";

/** Throws FrameFault on what no worker may send. */
export function readAnswer(job: Job, frame: AnswerFrame): Became {
  switch (frame.type) {
    case FrameType.HEAD:
      return readHead(job, frame);
    case FrameType.BODY:
      return readBody(job, frame);
    case FrameType.EARLY_HINT:
      return readEarlyHint(job, frame);
    case FrameType.TRAILERS:
      return readTrailers(job, frame);
    default:
      return readFault(job, frame);
  }
}

function readHead(job: Job, { isEnd, count, payload }: AnswerFrame): Became {
  if (payload.length < HEAD_PREFIX_BYTES) throw new FrameFault("a HEAD frame without a head");
  const end = HEAD_PREFIX_BYTES + payload.readUInt32LE(8);
  if (end > payload.length) throw new FrameFault("a head longer than its frame");
  job.takenAt = payload.readDoubleLE(0);
  if (job.state === "abandoned") return isEnd ? "over" : "unwanted";
  if (job.hasOwnSocket) return isEnd ? "over" : "unwanted";
  if (job.state !== "queued") throw new FrameFault("a second HEAD frame");
  job.state = "answering";
  if (!isEnd) job.lastBytesAt = monotonic();
  const head = payload.toString("latin1", HEAD_PREFIX_BYTES, end);
  const body = payload.subarray(end);
  job.onHead(head, count, isEnd ? body : Buffer.from(body), isEnd);
  if (isEnd) return "over";
  // The handler may have refused it.
  return stateOf(job) === "answering" ? "streaming" : "running";
}

function readBody(job: Job, { isEnd, payload }: AnswerFrame): Became {
  if (job.state === "queued") throw new FrameFault("a BODY frame before HEAD");
  job.lastBytesAt = monotonic();
  if (job.state === "answering") job.onBody(Buffer.from(payload), isEnd);
  return isEnd ? "over" : "running";
}

function readEarlyHint(job: Job, { count, payload }: AnswerFrame): Became {
  if (job.state === "answering") throw new FrameFault("an EARLY_HINT frame after HEAD");
  if (job.state === "abandoned") return "running";
  job.onEarlyHint(payload.toString("latin1"), count);
  return "running";
}

function readTrailers(job: Job, { isEnd, count, payload }: AnswerFrame): Became {
  if (!isEnd || job.state === "queued") throw new FrameFault("a TRAILERS frame amid an answer");
  job.lastBytesAt = monotonic();
  if (job.state === "answering") job.onTrailers(payload.toString("latin1"), count);
  return "over";
}

function readFault(job: Job, { payload }: AnswerFrame): Became {
  const text = payload.toString("utf8");
  if (job.state === "abandoned") return "over";
  job.onFault(text);
  return "over";
}

function stateOf(job: Job): Job["state"] {
  return job.state;
}
