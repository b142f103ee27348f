// Ports for servers that must be told theirs before they start.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

/** Ports of 127.0.0.1 at which nobody listens now. */
export async function freePorts<const Names extends readonly string[]>(
  names: Names,
): Promise<Record<Names[number], number>>;
export async function freePorts(names: readonly string[]): Promise<Record<string, number>> {
  // All at once, so that no two are the same.
  const servers = names.map(() => createServer().listen(0, "127.0.0.1"));
  const ports = await Promise.all(
    servers.map(async (server, at) => {
      await once(server, "listening");
      const address = server.address();
      assert(typeof address === "object" && address !== null);
      return [names[at] ?? "", address.port] as const;
    }),
  );
  for (const server of servers) server.close();
  return Object.fromEntries(ports);
}
