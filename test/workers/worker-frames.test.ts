// What a worker has served, by its frames.

import assert from "node:assert/strict";
import { it } from "node:test";

import { FrameType } from "../../src/workers/frame.ts";
import { JobTable } from "../../src/workers/job-table.ts";
import { Worker } from "../../src/workers/worker.ts";
import { hearWorker } from "../../src/workers/worker-frames.ts";

const NOTHING = (): void => undefined;

it("counts each last frame of a request, and no message of a WebSocket", () => {
  const worker = new Worker({
    number: 1,
    threads: 1,
    generation: 1,
    startedAt: 0,
    maxRequests: Infinity,
  });
  const table = new JobTable({ leastTimeout: Infinity, send: NOTHING });
  const desk = { onReady: NOTHING, onStopped: NOTHING, onMessage: NOTHING, onPoisoned: NOTHING };
  const ears = hearWorker(worker, table, desk, NOTHING);
  const say = (type: number, isEnd: boolean): void =>
    ears.onFrame(type, 1, isEnd, 0, Buffer.alloc(0));
  for (const type of [FrameType.WS_TEXT, FrameType.WS_BINARY]) say(type, true);
  assert.equal(worker.served, 0);
  for (const type of [FrameType.WS_CLOSE, FrameType.BODY, FrameType.FAULT])
    say(type, type !== FrameType.FAULT);
  assert.equal(worker.served, 3);
});
