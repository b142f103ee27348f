// What a worker's frames about a WebSocket mean for its job, as answer.ts has it for HTTP: accepted,
// messages in pieces, closed.
//
//   queued ─WS_ACCEPT─▶ answering ─WS_TEXT, WS_BINARY …─▶ answering ─WS_CLOSE with END, FAULT─▶ over
//      └──────────────── WS_CLOSE: denied ─────────────────────▲

import type { AnswerFrame, Became } from "./answer.ts";
import { encodeFrame, FrameFault, FrameType } from "./frame.ts";
import type { Job, WebSocketPart } from "./job.ts";

/** No close frame came. RFC 6455 §7.1.5. */
const ABNORMAL_CLOSURE = 1006;

type Send = (worker: number, frame: Buffer) => void;

/** Whether a frame of a worker is about a WebSocket. */
export function isWebSocketFrame(type: number): boolean {
  return type >= FrameType.WS_ACCEPT && type <= FrameType.WS_CLOSE;
}

/** Throws FrameFault on what no worker may send. */
export function readWebSocketFrame(job: Job, frame: AnswerFrame, send: Send): Became {
  const { webSocket } = job;
  if (webSocket === null) throw new FrameFault("a WebSocket frame for a request that is none");
  switch (frame.type) {
    case FrameType.WS_ACCEPT:
      return readAccept(job, webSocket, frame, send);
    case FrameType.WS_CLOSE:
      return readClose(job, webSocket, frame);
    default:
      return readPiece(job, webSocket, frame);
  }
}

function readAccept(
  job: Job,
  webSocket: WebSocketPart,
  { count, payload }: AnswerFrame,
  send: Send,
): Became {
  if (job.state === "abandoned") {
    // The client left meanwhile; the application, which has accepted, has to hear it as a close.
    send(job.worker, encodeClosed(job.id, ABNORMAL_CLOSURE, ""));
    return "running";
  }
  if (job.state !== "queued") throw new FrameFault("a second WS_ACCEPT frame");
  job.state = "answering";
  webSocket.onAccept(payload.toString("latin1"), count, (frame) => {
    if (job.state !== "done") send(job.worker, frame);
  });
  return "streaming";
}

function readPiece(
  job: Job,
  webSocket: WebSocketPart,
  { type, isEnd, payload }: AnswerFrame,
): Became {
  if (job.state === "queued") throw new FrameFault("a message before WS_ACCEPT");
  if (job.state === "answering") webSocket.onPiece(payload, type === FrameType.WS_TEXT, isEnd);
  return "running";
}

function readClose(
  job: Job,
  webSocket: WebSocketPart,
  { isEnd, count, payload }: AnswerFrame,
): Became {
  const isFirst = job.state === "queued";
  if (isFirst) job.state = "answering";
  if (job.state !== "abandoned") webSocket.onClose(count, payload.toString("utf8"), isEnd);
  if (isEnd) return "over";
  return isFirst ? "streaming" : "running";
}

/**
 * The WS_CLOSED frame: how the connection ended. `code`: 1005 = the client gave none, 1006 = cut.
 * `mayAnswer`: what came before may still be answered.
 */
export function encodeClosed(id: number, code: number, reason: string, mayAnswer = false): Buffer {
  const fields = { count: code, isEnd: mayAnswer };
  return encodeFrame(FrameType.WS_CLOSED, id, Buffer.from(reason), fields);
}
