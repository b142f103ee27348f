// What a worker's frames mean for the job that they are about: hints, the head, the body, trailers, a fault;
// a WebSocket's acceptance, messages and close. What no worker may send is a FrameFault.
//
//   queued ─EARLY_HINT…─▶ queued ─HEAD, FILE, WS_ACCEPT─▶ responding ─BODY, WS_TEXT, WS_BINARY…─▶ responding
//      └─HEAD with END, FAULT, WS_CLOSE with END─▶ done ◀─BODY with END, TRAILERS, FAULT, WS_CLOSE with END─┘
//
// The last frame ends the job (isLastFrame in frame.ts): that move is the table's.

import { wireTimeToMs } from "./clock.ts";
import { encodeFrame, FrameFault, FrameType } from "./frame.ts";
import type { FilePart, Job } from "./job.ts";
import { WebSocketLink } from "./web-socket-link.ts";

/** Bytes of a HEAD frame before the head: the second of taking and the head's length. */
const HEAD_PREFIX_BYTES = 12;
/** Bytes of a FILE frame between the head and the path: offset and length. */
const FILE_PREFIX_BYTES = 16;
const FILE_OPENED = 1;
/** Close code where no close frame came. RFC 6455 §7.1.5. */
const ABNORMAL_CLOSURE = 1006;

/** A frame about a job; the payload is valid during the call only. */
export interface JobFrame {
  readonly type: number;
  readonly isEnd: boolean;
  readonly count: number;
  readonly payload: Buffer;
}

/** begun: the response has begun and more follows. unwanted: nobody takes what follows. */
export type FrameOutcome = "begun" | "unwanted" | "none";

/** Sends a frame to a worker by its number. */
export type SendFrame = (worker: number, frame: Buffer) => void;

/** Moves the job, and gives the frame to its listener. Throws FrameFault. */
export function readJobFrame(
  job: Job,
  frame: JobFrame,
  now: number,
  send: SendFrame,
): FrameOutcome {
  switch (frame.type) {
    case FrameType.HEAD:
      return readHead(job, frame, now);
    case FrameType.BODY:
      return readBody(job, frame, now);
    case FrameType.FILE:
      return readFile(job, frame, now, send);
    case FrameType.EARLY_HINT:
      return readEarlyHint(job, frame);
    case FrameType.TRAILERS:
      return readTrailers(job, frame, now);
    case FrameType.WS_ACCEPT:
      return readAccept(job, frame, now, send);
    case FrameType.WS_TEXT:
    case FrameType.WS_BINARY:
      return readPiece(job, frame);
    case FrameType.WS_CLOSE:
      return readClose(job, frame, now);
    default:
      job.listener.onFault(frame.payload.toString("utf8"));
      return "none";
  }
}

/** Where the head of a HEAD or FILE frame ends. */
function headEnd(payload: Buffer): number {
  if (payload.length < HEAD_PREFIX_BYTES) throw new FrameFault("a HEAD frame without a head");
  const end = HEAD_PREFIX_BYTES + payload.readUInt32LE(8);
  if (end > payload.length) throw new FrameFault("a head longer than its frame");
  return end;
}

function readHead(job: Job, { isEnd, count, payload }: JobFrame, now: number): FrameOutcome {
  const end = headEnd(payload);
  if (job.state === "responding") throw new FrameFault("a second HEAD frame");
  job.take(job.worker, wireTimeToMs(payload.readDoubleLE(0)));
  if (job.state !== "queued") return isEnd ? "none" : "unwanted";
  job.respond(now);
  const head = payload.toString("latin1", HEAD_PREFIX_BYTES, end);
  const body = payload.subarray(end);
  job.listener.onHead?.(head, count, isEnd ? body : Buffer.from(body), isEnd);
  // The listener may have refused the head and cancelled the job.
  return !isEnd && stateOf(job) === "responding" ? "begun" : "none";
}

// The job waits for the front, and has no response before the file is open.
function readFile(
  job: Job,
  { isEnd, count, payload }: JobFrame,
  now: number,
  send: SendFrame,
): FrameOutcome {
  const end = headEnd(payload);
  const { id, listener } = job;
  if (listener.onFile === undefined) throw new FrameFault("a file without a request");
  if (isEnd || job.state === "responding") throw new FrameFault("a FILE frame amid a response");
  job.take(job.worker, wireTimeToMs(payload.readDoubleLE(0)));
  if (job.state !== "queued") return "unwanted";
  const head = payload.toString("latin1", HEAD_PREFIX_BYTES, end);
  listener.onFile(head, count, readPart(payload.subarray(end)), (isOpen) => {
    // A request whose worker has died may be run once more.
    if (job.state !== "queued" || job.id !== id) return false;
    if (isOpen) job.respond(now);
    send(
      job.worker,
      encodeFrame(FrameType.FILE_RESULT, id, null, { count: isOpen ? FILE_OPENED : 0 }),
    );
    return true;
  });
  return "none";
}

function readPart(bytes: Buffer): FilePart {
  if (bytes.length <= FILE_PREFIX_BYTES) throw new FrameFault("a FILE frame without a file");
  return {
    path: bytes.toString("utf8", FILE_PREFIX_BYTES),
    offset: Number(bytes.readBigUInt64LE(0)),
    length: Number(bytes.readBigUInt64LE(8)),
  };
}

function readBody(job: Job, { isEnd, payload }: JobFrame, now: number): FrameOutcome {
  if (job.state === "queued") throw new FrameFault("a BODY frame before HEAD");
  if (job.state !== "responding") return "none";
  job.progress(now);
  job.listener.onBody?.(Buffer.from(payload), isEnd);
  return "none";
}

function readEarlyHint(job: Job, { count, payload }: JobFrame): FrameOutcome {
  if (job.state === "abandoned") return "none";
  if (job.state !== "queued") throw new FrameFault("an EARLY_HINT frame after HEAD");
  job.listener.onEarlyHint?.(payload.toString("latin1"), count);
  return "none";
}

function readTrailers(job: Job, { isEnd, count, payload }: JobFrame, now: number): FrameOutcome {
  if (!isEnd || job.state === "queued") throw new FrameFault("a TRAILERS frame amid a response");
  if (job.state !== "responding") return "none";
  const { listener } = job;
  if (listener.onTrailers === undefined) throw new FrameFault("trailers of a WebSocket");
  job.progress(now);
  listener.onTrailers(payload.toString("latin1"), count);
  return "none";
}

function readAccept(
  job: Job,
  { count, payload }: JobFrame,
  now: number,
  send: SendFrame,
): FrameOutcome {
  const { listener } = job;
  if (listener.onAccept === undefined) throw new FrameFault("WS_ACCEPT without a handshake");
  const link = new WebSocketLink(job.id, (frame) => {
    if (job.state !== "done") send(job.worker, frame);
  });
  if (job.state === "abandoned") {
    // The client left before the application accepted, which now has to hear of it as a close.
    link.sendClosed(ABNORMAL_CLOSURE, "");
    return "none";
  }
  if (job.state !== "queued") throw new FrameFault("a second WS_ACCEPT frame");
  job.accept(now);
  listener.onAccept(payload.toString("latin1"), count, link);
  return "begun";
}

function readPiece(job: Job, { type, isEnd, payload }: JobFrame): FrameOutcome {
  const { listener } = job;
  if (listener.onPiece === undefined) throw new FrameFault("a message without a WebSocket");
  if (job.state === "queued") throw new FrameFault("a message before WS_ACCEPT");
  if (job.state === "responding") listener.onPiece(payload, type === FrameType.WS_TEXT, isEnd);
  return "none";
}

function readClose(job: Job, { isEnd, count, payload }: JobFrame, now: number): FrameOutcome {
  const { listener } = job;
  if (listener.onClose === undefined) throw new FrameFault("WS_CLOSE without a WebSocket");
  if (job.state === "abandoned") return "none";
  const isDenial = job.state === "queued";
  if (isDenial) job.respond(now);
  listener.onClose(count, payload.toString("utf8"), isEnd);
  return isDenial ? "begun" : "none";
}

/** The state after a call that may have changed it, which the type checker does not see. */
function stateOf(job: Job): Job["state"] {
  return job.state;
}
