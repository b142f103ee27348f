// Processor time over one run: of the server, and of others, which makes a round unreliable. Others are
// other programs, and a hypervisor that gave the processor to another machine.

import { machineCpuSeconds, ownCpuSeconds } from "./process-tree.ts";

/** All clocks at one moment, seconds. */
export interface Clocks {
  readonly wall: number;
  readonly server: number;
  readonly machine: number;
  readonly ours: number;
}

/** Reads the clocks. "Ours" is this program and the load generators that it started and that have ended. */
export function readClocks(running: { cpuSeconds(): number }): Clocks {
  const { busy, stolen } = machineCpuSeconds();
  return {
    wall: performance.now() / 1000,
    server: running.cpuSeconds(),
    machine: busy + stolen,
    ours: ownCpuSeconds(),
  };
}

/** Cores used between two moments by others than the server and this program; 0 or more. */
export function coresOfOthers(before: Clocks, after: Clocks): number {
  const known = after.server - before.server + (after.ours - before.ours);
  const others = after.machine - before.machine - known;
  return Math.max(0, others / (after.wall - before.wall));
}
