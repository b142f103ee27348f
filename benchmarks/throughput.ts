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

/** One stretch of load on a server that runs; throws if one answer is not right. */
export interface Load<Page extends Case> {
  readonly page: Page;
  readonly port: number;
  readonly seconds: number;
  readonly isWarmUp: boolean;
}

/** Long enough for caches, adaptive interpreters and V8 to settle: the measure is a server in service. */
const WARM_UP_SECONDS = 4;

interface ThroughputPlan<Page extends Case> {
  readonly pages: readonly Page[];
  readonly servers: readonly Server[];
  readonly workers: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  /** Asks as fast as the server answers: askByWrk, or what the page needs. */
  readonly apply: (load: Load<Page>) => Promise<WrkOutcome>;
  /** Hears one line about each run. */
  tell(line: string): void;
}

/** The load of all plain requests. */
export function askByWrk({ page, port, seconds }: Load<Case>): Promise<WrkOutcome> {
  const { path, postBytes, postJson } = page;
  return runWrk({ port, path, postBytes, postJson, seconds });
}

/** Measures every page with every server; throws if one answer is wrong. */
export async function measureThroughput<Page extends Case>(
  plan: ThroughputPlan<Page>,
): Promise<ThroughputResult[]> {
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

async function measurePage<Page extends Case>(
  plan: ThroughputPlan<Page>,
  page: Page,
  workers: number,
): Promise<ThroughputResult[]> {
  const servers = plan.servers.filter(({ leavesOut = [] }) => !leavesOut.includes(page.name));
  const rounds = new Map<Server, ThroughputRound[]>(servers.map((one) => [one, []]));
  for (let round = 0; round < plan.rounds; round++) {
    for (const server of rotate(servers, round)) {
      const measured = await measureOnce(plan, server, page, workers);
      rounds.get(server)?.push(measured);
      plan.tell(
        `${page.name} ${workers}w round ${round + 1} ${server.name}: ` +
          `${measured.cpuMicros.toFixed(1)} µs, ${measured.requestsPerSecond.toFixed(0)}/s, ` +
          `p99 ${measured.p99.toFixed(1)} ms, others ${measured.others.toFixed(2)} cores`,
      );
    }
  }
  return servers.map((server) => ({
    page: page.name,
    workers,
    server: server.name,
    rounds: rounds.get(server) ?? [],
  }));
}

async function measureOnce<Page extends Case>(
  { apply, seconds }: ThroughputPlan<Page>,
  server: Server,
  page: Page,
  workers: number,
): Promise<ThroughputRound> {
  const running = await RunningServer.start(server, { page, workers });
  try {
    const { port } = running;
    await apply({ page, port, seconds: WARM_UP_SECONDS, isWarmUp: true });
    const before = readClocks(running);
    const outcome = await apply({ page, port, seconds, isWarmUp: false });
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
