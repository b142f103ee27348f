// What the frames of a worker mean: those about requests go to the table of jobs, the others are told
// apart here.

import { openSocket } from "./application-socket.ts";
import { readJson, type ChannelListener } from "./channel.ts";
import { FrameFault, FrameType, isLastFrame } from "./frame.ts";
import type { JobTable } from "./job-table.ts";
import type { Worker } from "./worker.ts";

export interface WorkerFramesDesk {
  /** The application is loaded; the interface that was found. */
  onReady(worker: Worker, found: string): void;
  /** It takes no more. */
  onStopped(worker: Worker): void;
  onMessage(worker: Worker, level: number, text: string, job: number): void;
  /** The pipe carried what is no page. */
  onPoisoned(worker: Worker, text: string): void;
}

/** Hears one worker. Throws FrameFault on what breaks the protocol. */
export function hearWorker(
  worker: Worker,
  jobs: JobTable,
  desk: WorkerFramesDesk,
  onChannelEnd: ChannelListener["onChannelEnd"],
): ChannelListener {
  return {
    onFrame: (type, id, isEnd, count, payload) => {
      if (type === FrameType.WS_SOCKET) {
        openSocket(worker, id, jobs.get(id), payload);
        return;
      }
      if (!jobs.onFrame(worker.number, type, id, isEnd, count, payload))
        onOwnFrame(worker, desk, type, { id, count, payload });
      else if (isLastFrame(type, isEnd)) worker.served += 1;
      if (type === FrameType.FENCE) jobs.onFence(id);
    },
    onChannelEnd,
  };
}

interface Content {
  readonly id: number;
  readonly count: number;
  readonly payload: Buffer;
}

function onOwnFrame(
  worker: Worker,
  desk: WorkerFramesDesk,
  type: number,
  { id, count, payload }: Content,
): void {
  switch (type) {
    case FrameType.READY:
      desk.onReady(worker, String(readJson(payload).get("interface")));
      break;
    case FrameType.FAILED: {
      const failure = readJson(payload);
      worker.failure = { kind: String(failure.get("kind")), text: String(failure.get("text")) };
      break;
    }
    case FrameType.STOPPED:
      desk.onStopped(worker);
      break;
    case FrameType.LOG:
      desk.onMessage(worker, count, payload.toString("utf8"), id);
      break;
    case FrameType.STACKS_TOLD:
      worker.stacks?.tell(payload.toString("utf8"));
      break;
    case FrameType.FENCE:
      break;
    case FrameType.POISONED:
      desk.onPoisoned(worker, payload.toString("utf8"));
      break;
    default:
      throw new FrameFault(`a frame of type ${type}`);
  }
}
