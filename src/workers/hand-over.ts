// What a worker gets when it asks (FETCH) for what did not come with the page of a request.

import { encodeFrame, encodeRecord, FrameType, INPUT_FRAME_BYTES } from "./frame.ts";
import type { Job } from "./job.ts";
import { PAGE_BYTES, PAGE_HEADER_BYTES } from "./page.ts";

/** Sends the record, if it did not fit, and the body in INPUT frames, at once or as it comes. */
export function handOver(job: Job, send: (frame: Buffer) => void): void {
  const { id, names, values, body } = job;
  if (PAGE_HEADER_BYTES + names.length + values.length > PAGE_BYTES)
    send(encodeRecord(id, names, values));
  if (body !== null) sendPieces(id, body, true, send);
  if (!job.isBodyStreamed) return;
  job.onBodyWanted((piece, isLast) => {
    if (job.state !== "done") sendPieces(id, piece, isLast, send);
  });
}

function sendPieces(
  id: number,
  bytes: Buffer,
  isLast: boolean,
  send: (frame: Buffer) => void,
): void {
  let at = 0;
  do {
    const end = Math.min(at + INPUT_FRAME_BYTES, bytes.length);
    const isEnd = isLast && end === bytes.length;
    send(encodeFrame(FrameType.INPUT, id, bytes.subarray(at, end), { isEnd }));
    at = end;
  } while (at < bytes.length);
}
