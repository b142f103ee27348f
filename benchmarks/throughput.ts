// Closed loop, one page at a time: requests a second, latency, and processor time a request, which
// decides. Rounds are interleaved: every server gets one short run before any gets its second, each
// time freshly started, and the order turns by one each round, so that a noisy minute, a lucky
// memory layout or a warm neighbour is shared by all.

import type { Case } from "./cases.ts";
import { coresOfOthers, readClocks, type Clocks } from "./clocks.ts";
import type { ThroughputResult, ThroughputRound } from "./results.ts";
import { RunningServer } from "./server-process.ts";
import type { Server } from "./servers.ts";
import { runWrk, type WrkOutcome } from "./wrk.ts";

/** Long enough for caches, adaptive interpreters and V8 to settle. */
const WARM_UP_SECONDS = 1;

interface ThroughputPlan {
  readonly pages: readonly Case[];
  readonly servers: readonly Server[];
  readonly workers: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  /** Hears one line about each run. */
  tell(line: string): void;
}

/** Measures every page with every server; throws if one answer is wrong. */
export async function measureThroughput(plan: ThroughputPlan): Promise<ThroughputResult[]> {
  const results: ThroughputResult[] = [];
  for (const page of plan.pages) {
    for (const workers of plan.workers) results.push(...(await measurePage(plan, page, workers)));
  }
  return results;
}

/** `list` with its first `count` moved to the end. */
export function rotate<T>(list: readonly T[], count: number): T[] {
  const by = list.length === 0 ? 0 : count % list.length;
  return [...list.slice(by), ...list.slice(0, by)];
}

async function measurePage(
  plan: ThroughputPlan,
  page: Case,
  workers: number,
): Promise<ThroughputResult[]> {
  const rounds = new Map<Server, ThroughputRound[]>(plan.servers.map((one) => [one, []]));
  for (let round = 0; round < plan.rounds; round++) {
    for (const server of rotate(plan.servers, round)) {
      const measured = await measureOnce(server, page, workers, plan.seconds);
      rounds.get(server)?.push(measured);
      plan.tell(
        `${page.name} ${workers}w round ${round + 1} ${server.name}: ` +
          `${measured.cpuMicros.toFixed(1)} µs, ${measured.requestsPerSecond.toFixed(0)}/s, ` +
          `p99 ${measured.p99.toFixed(1)} ms, others ${measured.others.toFixed(2)} cores`,
      );
    }
  }
  return plan.servers.map((server) => ({
    page: page.name,
    workers,
    server: server.name,
    rounds: rounds.get(server) ?? [],
  }));
}

async function measureOnce(
  server: Server,
  page: Case,
  workers: number,
  seconds: number,
): Promise<ThroughputRound> {
  const running = await RunningServer.start(server, { page, workers });
  try {
    const target = { port: running.port, path: page.path, postBytes: page.postBytes };
    await runWrk({ ...target, seconds: WARM_UP_SECONDS });
    const before = readClocks(running);
    const outcome = await runWrk({ ...target, seconds });
    return roundOf(outcome, before, readClocks(running));
  } catch (error) {
    const what = `${server.name}, ${page.name}: ${String(error)}`;
    throw new Error(`${what}\n${running.log()}`, { cause: error });
  } finally {
    await running.stop();
  }
}

function roundOf(outcome: WrkOutcome, before: Clocks, after: Clocks): ThroughputRound {
  const server = after.server - before.server;
  return {
    requests: outcome.requests,
    requestsPerSecond: outcome.requestsPerSecond,
    p50: outcome.p50,
    p99: outcome.p99,
    max: outcome.max,
    cpuMicros: (server / outcome.requests) * 1e6,
    others: coresOfOthers(before, after),
  };
}
