// The resources of a process: threads, descriptors, memory. Trials compare them before and afterwards.

import { readdirSync } from "node:fs";

import { listDescriptors } from "../../test/support/processes.ts";
import { memoryOf } from "../process-tree.ts";

export interface Vitals {
  readonly processes: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly rssBytes: number;
}

/** Of these processes, summed; all have to run. */
export function readVitals(pids: readonly number[]): Vitals {
  const descriptors = pids.flatMap(listDescriptors);
  return {
    processes: pids.length,
    threads: pids.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/task`).length, 0),
    descriptors: descriptors.length,
    rssBytes: memoryOf(pids).rss,
  };
}
