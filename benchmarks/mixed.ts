// Mixed load: nine short requests to one slow one, at a constant rate that every server in the run can
// sustain: 50 % and 80 % of the slowest one's capacity on the same mix, found first in the same run.
// The latency of the short requests counts.

import { join } from "node:path";
import { coresOfOthers, readClocks } from "./clocks.ts";
import type { LoadOrder } from "./load/generate.ts";
import type { LoadReport } from "./load/record.ts";
import { BENCHMARKS } from "./places.ts";
import { readNumbers, runProgram } from "./program.ts";
import type { CapacityResult, MixedOutcome, MixedResult } from "./results.ts";
import { measureInTurns } from "./rounds.ts";
import { RunningServer } from "./server-process.ts";
import type { Server } from "./servers.ts";
import { median } from "./statistics.ts";

/** Clients: several hundred, each with one kept-alive connection. */
const CONNECTIONS = 400;
/** For the capacity: more connections than all servers have threads, few enough that none waits seconds. */
const SATURATING_CONNECTIONS = 96;
const CAPACITY_ROUNDS = 3;
/** A server that has just started still compiles its own code. */
const WARM_UP_SECONDS = 4;
/** Shares of the slowest server's capacity. */
const LOADS = [0.5, 0.8];
const MIXES = ["sleep", "cpu"] as const;
type Mix = (typeof MIXES)[number];

const PAGE = {
  wsgi: "mixed:app",
  asgi: "mixed_asgi:app",
  path: "/short",
  postBytes: 0,
  expectedBody: "done\n",
};

/** Figures that load/generate.ts prints. */
const FIGURES = ["sent", "failed", "p50", "p99", "max", "lateness", "responsesPerSecond"] as const;

interface MixedPlan {
  readonly servers: readonly Server[];
  readonly workers: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  /** Hears one line about each run. */
  tell(line: string): void;
}

/** Finds the capacity of every server, then applies the loads. */
export async function measureMixed(plan: MixedPlan): Promise<MixedOutcome> {
  const capacity: CapacityResult[] = [];
  const mixed: MixedResult[] = [];
  for (const mix of MIXES) {
    for (const workers of plan.workers) {
      const found = await findCapacities(plan, mix, workers);
      capacity.push(...found);
      const slowest = Math.min(...found.map((one) => median(one.requestsPerSecond)));
      for (const load of LOADS) {
        const at = { mix, workers, load, requestsPerSecond: Math.floor(slowest * load) };
        mixed.push(...(await measureLoad(plan, at)));
      }
    }
  }
  return { capacity, mixed };
}

type Load = Pick<MixedResult, "mix" | "workers" | "load" | "requestsPerSecond">;

async function findCapacities(
  plan: MixedPlan,
  mix: Mix,
  workers: number,
): Promise<CapacityResult[]> {
  const rounds = Math.min(CAPACITY_ROUNDS, plan.rounds);
  const measured = await measureInTurns(plan.servers, rounds, async (server, round) => {
    const at = { mix, workers, load: 1, requestsPerSecond: 0 };
    const { responsesPerSecond } = (await loadOnce(server, at, plan.seconds, round)).report;
    plan.tell(`mixed ${mix} ${workers}w ${server.name}: ${responsesPerSecond.toFixed(0)}/s`);
    return responsesPerSecond;
  });
  return measured.map(({ server, figures }) => ({
    mix,
    workers,
    server,
    requestsPerSecond: figures,
  }));
}

async function measureLoad(plan: MixedPlan, at: Load): Promise<MixedResult[]> {
  const measured = await measureInTurns(plan.servers, plan.rounds, async (server, round) => {
    const { report, cpuMicros, others } = await loadOnce(server, at, plan.seconds, round);
    const { sent, failed, p50, p99, max, lateness } = report;
    plan.tell(
      `mixed ${at.mix} ${at.workers}w ${at.load * 100} % = ${at.requestsPerSecond}/s ` +
        `round ${round + 1} ${server.name}: p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, ` +
        `max ${max.toFixed(1)} ms, ${failed} of ${sent} failed, ` +
        `others ${others.toFixed(2)} cores`,
    );
    return { sent, failed, p50, p99, max, lateness, cpuMicros, others };
  });
  return measured.map(({ server, figures }) => ({ ...at, server, rounds: figures }));
}

/** Starts a server for one load. The same seed gives all servers of a round the same requests. */
async function loadOnce(
  server: Server,
  at: Load,
  seconds: number,
  seed: number,
): Promise<{ report: LoadReport; cpuMicros: number; others: number }> {
  const running = await RunningServer.start(server, { page: PAGE, workers: at.workers });
  try {
    const order: LoadOrder = {
      port: running.port,
      slowPath: `/${at.mix}`,
      requestsPerSecond: at.requestsPerSecond,
      connections: at.requestsPerSecond === 0 ? SATURATING_CONNECTIONS : CONNECTIONS,
      warmUpSeconds: WARM_UP_SECONDS,
      seconds,
      seed,
    };
    const before = readClocks(running);
    const script = join(BENCHMARKS, "load", "generate.ts");
    const output = await runProgram(process.execPath, [script, JSON.stringify(order)]);
    const report: LoadReport = readNumbers(output, FIGURES);
    const requests = Math.max(1, at.requestsPerSecond * (seconds + WARM_UP_SECONDS));
    const after = readClocks(running);
    const cpuMicros = ((after.server - before.server) / requests) * 1e6;
    return { report, cpuMicros, others: coresOfOthers(before, after) };
  } catch (error) {
    const what = `${server.name}, mixed ${at.mix}: ${String(error)}`;
    throw new Error(`${what}\n${running.log()}`, { cause: error });
  } finally {
    await running.stop();
  }
}
