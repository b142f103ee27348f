// From the start of a server to the end of its first response. One start before the rounds is thrown
// away: it writes Python's bytecode and fills the page cache.

import type { StartupResult } from "./results.ts";
import { measureInTurns } from "./rounds.ts";
import { RunningServer, type Page } from "./server-process.ts";
import type { Server } from "./servers.ts";

/** An application with the imports that small applications have. */
export const STANDARD_LIBRARY: Page = {
  wsgi: "standard_library:app",
  asgi: "",
  path: "/?name=you",
  postBytes: 0,
};

interface StartupPlan {
  readonly page: Page;
  readonly servers: readonly Server[];
  readonly workers: readonly number[];
  readonly rounds: number;
  /** Hears one line about each start. */
  tell(line: string): void;
}

/** Starts every server `rounds` times; the servers take turns. */
export async function measureStartup(plan: StartupPlan): Promise<StartupResult[]> {
  const results: StartupResult[] = [];
  for (const workers of plan.workers) {
    for (const server of plan.servers) await startOnce(server, plan.page, workers);
    const measured = await measureInTurns(plan.servers, plan.rounds, async (server, round) => {
      const startMs = await startOnce(server, plan.page, workers);
      plan.tell(`startup ${workers}w round ${round + 1} ${server.name}: ${startMs.toFixed(0)} ms`);
      return startMs;
    });
    for (const { server, figures } of measured) results.push({ server, workers, startMs: figures });
  }
  return results;
}

async function startOnce(server: Server, page: Page, workers: number): Promise<number> {
  const running = await RunningServer.start(server, { page, workers });
  try {
    return running.startMs;
  } finally {
    await running.stop();
  }
}
