// The tables of the suites without load: memory, idle connections, start-up time. Pure.

import type { ConnectionsResult, MemoryResult, StartupResult } from "../results.ts";
import { SECURE_SERVERS } from "../secure-servers.ts";
import { SERVERS } from "../servers.ts";
import { median } from "../statistics.ts";
import { figure, medianWithSpread, ratio, table, verdict } from "./markdown.ts";

/** Goal for the memory of the front: bytes a connection, at most. */
const MAX_CONNECTION_BYTES = 6 * 1024;
/** The same over TLS. */
const MAX_TLS_CONNECTION_BYTES = 30_000;
/** Goal for the time from start to the first response: less than so many milliseconds. */
const MAX_STARTUP_MS = 300;

const MIB = 1 << 20;

/** Memory after the start with Flask, a row a server. */
export function memoryTable(results: readonly MemoryResult[]): string {
  const counts = workerCounts(results);
  return table(
    [
      "MiB",
      ...counts.flatMap((count) => [`${count}w PSS`, `${count}w RSS`, `${count}w processes`]),
    ],
    rowsOf(results, (server) =>
      counts.flatMap((count) => {
        const found = results.find((one) => one.server === server && one.workers === count);
        if (found === undefined) return ["–", "–", "–"];
        const own = results.find((one) => one.server === "typhon" && one.workers === count);
        const base = own === undefined ? null : median(own.pss);
        return [
          figure(median(found.pss) / MIB) + ratio(median(found.pss), base),
          figure(median(found.rss) / MIB),
          String(found.processes),
        ];
      }),
    ),
  );
}

/** Growth of memory a connection over TLS, a row a server, a pair of columns for each number of connections. */
export function tlsConnectionsTable(results: readonly ConnectionsResult[]): string {
  const names = [...new Set(results.map(({ server }) => server))];
  const of = (name: string): ConnectionsResult[] => results.filter(({ server }) => server === name);
  const most = Math.max(...names.map((name) => of(name).length));
  const head = Array.from({ length: most }, () => ["bytes a connection", "held"]).flat();
  const rows = names.map((name) => [
    SECURE_SERVERS.find((server) => server.name === name)?.title ?? name,
    ...of(name).flatMap(({ bytesEach, held }) => [
      medianWithSpread(bytesEach),
      held.toLocaleString("en-US"),
    ]),
  ]);
  const bytes = median(of("typhon").at(-1)?.bytesEach ?? []);
  const outcome = Number.isNaN(bytes)
    ? ""
    : `\nGoal for Typhon's front, at most ${MAX_TLS_CONNECTION_BYTES} bytes: ${verdict(bytes, MAX_TLS_CONNECTION_BYTES)}.\n`;
  return `#### Idle connections of HTTP/1.1 over TLS\n\n${table(["", ...head], rows)}${outcome}`;
}

/** Growth of memory a connection, and the number of connections that the server held. */
export function connectionsTable(results: readonly ConnectionsResult[]): string {
  const rows = rowsOf(results, (server) => {
    const found = results.find((one) => one.server === server);
    if (found === undefined) return ["–", "–"];
    return [medianWithSpread(found.bytesEach), found.held.toLocaleString("en-US")];
  });
  const made = table(["", "bytes a connection", "held"], rows);
  const own = results.find((one) => one.server === "typhon");
  if (own === undefined) return made;
  const bytes = median(own.bytesEach);
  const outcome = verdict(bytes, MAX_CONNECTION_BYTES);
  return `${made}\nGoal for Typhon's front, at most ${MAX_CONNECTION_BYTES} bytes: ${outcome}.\n`;
}

/** Time from start to the first response. */
export function startupTable(results: readonly StartupResult[]): string {
  const counts = workerCounts(results);
  const rows = rowsOf(results, (server) =>
    counts.map((count) => {
      const found = results.find((one) => one.server === server && one.workers === count);
      return found === undefined ? "–" : medianWithSpread(found.startMs);
    }),
  );
  const made = table(["ms", ...counts.map((count) => `${count}w`)], rows);
  const own = results.filter((one) => one.server === "typhon");
  if (own.length === 0) return made;
  const slowest = Math.max(...own.map((one) => median(one.startMs)));
  return `${made}\nGoal, under ${MAX_STARTUP_MS} ms: ${verdict(slowest, MAX_STARTUP_MS)}.\n`;
}

function workerCounts(results: readonly { readonly workers: number }[]): number[] {
  return [...new Set(results.map((one) => one.workers))];
}

function rowsOf(
  results: readonly { readonly server: string }[],
  cells: (server: string) => string[],
): string[][] {
  return SERVERS.filter((server) => results.some((one) => one.server === server.name)).map(
    (server) => [server.title, ...cells(server.name)],
  );
}
