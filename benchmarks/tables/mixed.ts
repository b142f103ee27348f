// The tables of the mixed load: latencies of the short requests, and the capacities that the rates are
// made from. Pure.

import type { CapacityResult, MixedOutcome, MixedResult, MixedRound } from "../results.ts";
import type { Server } from "../servers.ts";
import { median } from "../statistics.ts";
import { figure, medianWithSpread, table, verdict } from "./markdown.ts";

/** What differs between the tables of WSGI and ASGI. */
export interface MixedField {
  readonly servers: readonly Server[];
  /** Typhon's 99th percentile is to be at most this share of the best peer's. */
  readonly goals: Readonly<Record<MixedResult["mix"], number>>;
  /** Text behind the number of workers. */
  readonly threads: string;
}

const MIX_TITLES = { sleep: "10 % asleep for 200 ms", cpu: "10 % computing for 50 ms" } as const;

/** All tables of this suite. */
export function mixedTables({ capacity, mixed }: MixedOutcome, field: MixedField): string {
  const parts: string[] = [];
  for (const setting of settings(mixed)) {
    const rows = mixed.filter((one) => isSame(one, setting));
    const { mix, workers, load, requestsPerSecond } = setting;
    parts.push(
      `#### ${MIX_TITLES[mix]}, ${workers} workers${field.threads}, ${load * 100} % load ` +
        `(${requestsPerSecond}/s)\n\n${loadTable(rows, field)}${goalLine(rows, field.goals[mix])}`,
    );
  }
  parts.push(
    `#### Capacity on the mix, closed loop, responses a second\n\n${capacityTable(capacity, field)}`,
  );
  return parts.join("\n");
}

function settings(mixed: readonly MixedResult[]): MixedResult[] {
  return mixed.filter((one, index) => mixed.findIndex((other) => isSame(one, other)) === index);
}

function isSame(one: MixedResult, other: MixedResult): boolean {
  return one.mix === other.mix && one.workers === other.workers && one.load === other.load;
}

function loadTable(rows: readonly MixedResult[], { servers }: MixedField): string {
  const of = (row: MixedResult, read: (round: MixedRound) => number): number[] =>
    row.rounds.map(read);
  return table(
    ["short requests, ms", "p50", "p99", "max, median", "max of all", "failed", "CPU µs"],
    inOrder(rows, servers).map(([title, row]) => [
      title,
      figure(median(of(row, (round) => round.p50))),
      medianWithSpread(of(row, (round) => round.p99)),
      figure(median(of(row, (round) => round.max))),
      figure(Math.max(...of(row, (round) => round.max))),
      String(of(row, (round) => round.failed).reduce((sum, one) => sum + one, 0)),
      figure(median(of(row, (round) => round.cpuMicros))),
    ]),
  );
}

function goalLine(rows: readonly MixedResult[], goal: number): string {
  const p99 = (row: MixedResult): number => median(row.rounds.map((round) => round.p99));
  const own = rows.find((row) => row.server === "typhon");
  const peers = rows.filter((row) => row.server !== "typhon").map(p99);
  if (own === undefined || peers.length === 0) return "";
  const share = p99(own) / Math.min(...peers);
  const outcome = verdict(share, goal);
  return `\np99 is ${share.toFixed(2)} of the best peer's, goal ${goal}: ${outcome}.\n`;
}

function capacityTable(capacity: readonly CapacityResult[], field: MixedField): string {
  const columns = capacity.filter(
    (one, index) =>
      capacity.findIndex((other) => other.mix === one.mix && other.workers === one.workers) ===
      index,
  );
  const servers = field.servers.filter((server) =>
    capacity.some((one) => one.server === server.name),
  );
  return table(
    ["", ...columns.map((one) => `${one.mix}, ${one.workers} workers`)],
    servers.map((server) => [
      server.title,
      ...columns.map(({ mix, workers }) => {
        const found = capacity.find(
          (one) => one.mix === mix && one.workers === workers && one.server === server.name,
        );
        return found === undefined ? "–" : medianWithSpread(found.requestsPerSecond);
      }),
    ]),
  );
}

function inOrder(
  rows: readonly MixedResult[],
  servers: readonly Server[],
): [string, MixedResult][] {
  return servers.flatMap((server) => {
    const row = rows.find((one) => one.server === server.name);
    return row === undefined ? [] : [[server.title, row] as [string, MixedResult]];
  });
}
