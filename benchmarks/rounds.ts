// Interleaved rounds: every server is measured once before any server is measured again, and the order
// turns by one each round. A noisy minute or a warm neighbour so meets all servers alike.

import type { Server } from "./servers.ts";

/** Measures each server in each of so many rounds. Figures come in the order of the rounds. */
export async function measureInTurns<Figure>(
  servers: readonly Server[],
  rounds: number,
  measure: (server: Server, round: number) => Promise<Figure>,
): Promise<{ readonly server: string; readonly figures: readonly Figure[] }[]> {
  const figures = new Map<Server, Figure[]>(servers.map((server) => [server, []]));
  for (let round = 0; round < rounds; round++) {
    for (const server of rotate(servers, round)) {
      figures.get(server)?.push(await measure(server, round));
    }
  }
  return [...figures].map(([server, list]) => ({ server: server.name, figures: list }));
}

/** `list` with its first `count` moved to the end. */
function rotate<T>(list: readonly T[], count: number): T[] {
  const by = list.length === 0 ? 0 : count % list.length;
  return [...list.slice(by), ...list.slice(0, by)];
}
