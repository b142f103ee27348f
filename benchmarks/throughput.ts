// Closed loop, one page at a time: requests a second, latency, and processor time a request, which
// decides. Each run has a freshly started server, so that no server keeps a lucky memory layout.

import type { Case } from "./cases.ts";
import { coresOfOthers, readClocks, type Clocks } from "./clocks.ts";
import type { ThroughputResult, ThroughputRound } from "./results.ts";
import { measureInTurns } from "./rounds.ts";
import { RunningServer } from "./server-process.ts";
import type { Server } from "./servers.ts";
import { runWrk, type LoadOutcome, type WrkOutcome } from "./wrk.ts";

/** One stretch of load on a running server. */
export interface Load<Page extends Case> {
  readonly page: Page;
  readonly port: number;
  readonly seconds: number;
  readonly isWarmUp: boolean;
}

/** Long enough for caches, adaptive interpreters and V8 to settle, as in a server that is in service. */
const WARM_UP_SECONDS = 4;

interface ThroughputPlan<Page extends Case> {
  readonly pages: readonly Page[];
  readonly servers: readonly Server[];
  readonly workers: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  /** Applies the load of a page: askByWrk, askEdge or echoMessages. Throws if one response is wrong. */
  readonly apply: (load: Load<Page>) => Promise<LoadOutcome>;
  /** Hears one line about each run. */
  tell(line: string): void;
}

/** The load of all pages but WebSockets. */
export function askByWrk({ page, port, seconds }: Load<Case>): Promise<WrkOutcome> {
  const { path, postBytes, postJson } = page;
  return runWrk({ port, path, postBytes, postJson, seconds });
}

/** Measures every page with every server; throws if one response is wrong. */
export async function measureThroughput<Page extends Case>(
  plan: ThroughputPlan<Page>,
): Promise<ThroughputResult[]> {
  const results: ThroughputResult[] = [];
  for (const page of plan.pages) {
    for (const workers of plan.workers) results.push(...(await measurePage(plan, page, workers)));
  }
  return results;
}

async function measurePage<Page extends Case>(
  plan: ThroughputPlan<Page>,
  page: Page,
  workers: number,
): Promise<ThroughputResult[]> {
  const servers = plan.servers.filter(({ leavesOut = [] }) => !leavesOut.includes(page.name));
  const measured = await measureInTurns(servers, plan.rounds, async (server, round) => {
    const figures = await measureOnce(plan, server, page, workers);
    plan.tell(
      `${page.name} ${workers}w round ${round + 1} ${server.name}: ` +
        `${figures.cpuMicros.toFixed(1)} µs, ${figures.requestsPerSecond.toFixed(0)}/s, ` +
        `p99 ${figures.p99.toFixed(1)} ms, others ${figures.others.toFixed(2)} cores`,
    );
    return figures;
  });
  return measured.map(({ server, figures }) => ({
    page: page.name,
    workers,
    server,
    rounds: figures,
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
    // A run that is shorter than usual asks whether everything works: its warm-up is shorter as well.
    const warmUpSeconds = Math.min(WARM_UP_SECONDS, seconds + 1);
    await apply({ page, port, seconds: warmUpSeconds, isWarmUp: true });
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

function roundOf(outcome: LoadOutcome, before: Clocks, after: Clocks): ThroughputRound {
  const server = after.server - before.server;
  return {
    ...outcome,
    cpuMicros: (server / outcome.requests) * 1e6,
    others: coresOfOthers(before, after),
  };
}
