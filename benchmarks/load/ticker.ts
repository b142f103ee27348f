// A thread that says when a request is due. A timer of Node's event loop wakes up to a millisecond
// late, which is as long as a short request takes; Atomics.wait wakes within about 0.1 ms and costs
// nothing while it waits. Posts one message a request: the time at which it is due.

import { parentPort, workerData } from "node:worker_threads";
import { clockMs, dueAt } from "./arrivals.ts";

/** The data of the thread; times in milliseconds. */
export interface TickerOrder {
  /** clockMs() at which the first request is due. */
  readonly begin: number;
  readonly requestsPerSecond: number;
  /** Milliseconds after `begin` from which on no request is due. */
  readonly end: number;
}

function tick({ begin, requestsPerSecond, end }: TickerOrder): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let index = 0; ; index++) {
    const due = dueAt(index, requestsPerSecond);
    if (due >= end) return;
    const left = begin + due - clockMs();
    if (left > 0) Atomics.wait(never, 0, 0, left);
    parentPort?.postMessage(due);
  }
}

tick(workerData);
