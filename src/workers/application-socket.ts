// A socket between the front and an application, for one request that speaks another protocol by itself
// (docs/worker-protocol.md, "WebSockets under WSGI"). The worker listens and we connect, as for its
// channel: Node can pass no descriptor. Knows sockets, not what they carry.

import { connect } from "node:net";

import { FrameFault, FrameType } from "./frame.ts";
import type { Job } from "./job.ts";
import type { Worker } from "./worker.ts";

/** The second of taking, f64. */
const PAYLOAD_BYTES = 8;

/**
 * Connects to the socket on which `worker` listens for the request `id`, and gives it to the request's
 * job. Where nobody waits for it any more (`job` undefined) its end is all that the worker hears.
 */
export function openSocket(
  worker: Worker,
  id: number,
  job: Job | undefined,
  payload: Buffer,
): void {
  if (payload.length !== PAYLOAD_BYTES) throw new FrameFault("a WS_SOCKET frame of another length");
  if (job?.isWebSocket === false) throw new FrameFault("a WS_SOCKET frame without a handshake");
  const socket = connect({ path: worker.socketPath(id), allowHalfOpen: true });
  // "close" follows, and says all that matters.
  socket.on("error", () => undefined);
  socket.on("close", () => worker.say(FrameType.WS_SOCKET_DONE, id));
  const isWanted = job?.state === "queued" && (job.worker === 0 || job.worker === worker.number);
  if (!isWanted) {
    socket.destroy();
    return;
  }
  job.worker = worker.number;
  job.takenAt = payload.readDoubleLE(0);
  job.onSocket(socket);
}
