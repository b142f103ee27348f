// Processor time over one run: what the server used, and what others used meanwhile, who make a round
// unreliable: other programs, and a hypervisor that gave the processor to another machine.

import { machineCpuSeconds, ownCpuSeconds } from "./process-tree.ts";

/** All clocks at one moment, seconds. */
export interface Clocks {
  readonly wall: number;
  readonly server: number;
  readonly machine: number;
  readonly ours: number;
}

/** Reads the clocks; the server says its own. Load generators count as ours once they have ended. */
export function readClocks(running: { cpuSeconds(): number }): Clocks {
  const { busy, stolen } = machineCpuSeconds();
  return {
    wall: performance.now() / 1000,
    server: running.cpuSeconds(),
    machine: busy + stolen,
    ours: ownCpuSeconds(),
  };
}

/** Cores that neither the server nor we used between two moments, 0 or more. */
export function coresOfOthers(before: Clocks, after: Clocks): number {
  const known = after.server - before.server + (after.ours - before.ours);
  const others = after.machine - before.machine - known;
  return Math.max(0, others / (after.wall - before.wall));
}
