// What a worker gets when it asks (FETCH) for what did not fit into the page of a request. Pure.

import { encodeFrame, encodeRecord, FrameType, INPUT_FRAME_BYTES } from "./frame.ts";
import type { Job } from "./job.ts";
import { PAGE_BYTES, PAGE_HEADER_BYTES } from "./page.ts";

/** The RECORD frame, if the record did not fit, and the body in INPUT frames. */
export function fetchedFrames({ id, names, values, body }: Job): readonly Buffer[] {
  const frames: Buffer[] = [];
  if (PAGE_HEADER_BYTES + names.length + values.length > PAGE_BYTES)
    frames.push(encodeRecord(id, names, values));
  if (body === null) return frames;
  for (let at = 0; at < body.length; at += INPUT_FRAME_BYTES) {
    const end = Math.min(at + INPUT_FRAME_BYTES, body.length);
    const isEnd = end === body.length;
    frames.push(encodeFrame(FrameType.INPUT, id, body.subarray(at, end), { isEnd }));
  }
  return frames;
}
