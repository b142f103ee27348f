// From spawn to the first answered request of a standard-library application. One start before the
// rounds is thrown away: it writes Python's bytecode and fills the page cache.

import type { StartupResult } from "./results.ts";
import { RunningServer } from "./server-process.ts";
import type { Server } from "./servers.ts";
import { rotate } from "./throughput.ts";

const PAGE = { wsgi: "standard_library:app", asgi: "", path: "/?name=you", postBytes: 0 };

interface StartupPlan {
  readonly servers: readonly Server[];
  readonly workers: readonly number[];
  readonly rounds: number;
  /** Hears one line about each start. */
  tell(line: string): void;
}

/** Starts every server `rounds` times, in turn. */
export async function measureStartup(plan: StartupPlan): Promise<StartupResult[]> {
  const results: StartupResult[] = [];
  for (const workers of plan.workers) {
    const times = new Map<Server, number[]>(plan.servers.map((server) => [server, []]));
    for (let round = -1; round < plan.rounds; round++) {
      for (const server of rotate(plan.servers, round + 1)) {
        const startMs = await startOnce(server, workers);
        if (round < 0) continue;
        times.get(server)?.push(startMs);
        plan.tell(
          `startup ${workers}w round ${round + 1} ${server.name}: ${startMs.toFixed(0)} ms`,
        );
      }
    }
    for (const server of plan.servers) {
      results.push({ server: server.name, workers, startMs: times.get(server) ?? [] });
    }
  }
  return results;
}

async function startOnce(server: Server, workers: number): Promise<number> {
  const running = await RunningServer.start(server, { page: PAGE, workers });
  try {
    return running.startMs;
  } finally {
    await running.stop();
  }
}
