// The socket between the front and an application that answers a WebSocket handshake by itself
// (docs/worker-protocol.md, "WebSockets under WSGI"). The worker listens and the front connects, as for the
// channel: Node cannot pass a descriptor. Knows sockets, not the protocol on them.

import { connect } from "node:net";

import { wireTimeToMs } from "./clock.ts";
import { FrameFault, FrameType } from "./frame.ts";
import type { Job } from "./job.ts";
import type { Worker } from "./worker.ts";

/** Bytes before the socket's path: the second of taking, f64. */
const TAKEN_BYTES = 8;

/**
 * Connects to the socket on which `worker` listens for the request `id`, and gives the socket to the
 * request's job. Where nobody waits for that any more (`job` undefined) the socket is closed at once.
 */
export function openSocket(
  worker: Worker,
  id: number,
  job: Job | undefined,
  payload: Buffer,
): void {
  if (payload.length <= TAKEN_BYTES) throw new FrameFault("a WS_SOCKET frame of another length");
  if (job !== undefined && job.listener.onSocket === undefined)
    throw new FrameFault("a WS_SOCKET frame without a handshake");
  const socket = connect({ path: payload.toString("utf8", TAKEN_BYTES), allowHalfOpen: true });
  // "close" follows each "error", and is enough to know.
  socket.on("error", () => undefined);
  socket.on("close", () => worker.say(FrameType.WS_SOCKET_DONE, id));
  const isWanted = job?.state === "queued" && (job.worker === 0 || job.worker === worker.number);
  if (!isWanted) {
    socket.destroy();
    return;
  }
  job.take(worker.number, wireTimeToMs(payload.readDoubleLE(0)));
  job.listener.onSocket?.(socket);
}
