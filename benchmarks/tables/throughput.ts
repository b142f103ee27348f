// The tables of the closed-loop runs: processor time a request, which decides, then requests a second
// and latency; and the goals of the project held against them. Pure.

import { CASES, type Case } from "../cases.ts";
import type { ThroughputResult, ThroughputRound } from "../results.ts";
import { SERVERS, type Server } from "../servers.ts";
import { median } from "../statistics.ts";
import { figure, medianWithSpread, ratio, table, verdict } from "./markdown.ts";

/** All tables of this suite. */
export function throughputTables(results: readonly ThroughputResult[]): string {
  const pages = CASES.filter((page) => results.some((one) => one.page === page.name));
  const workers = [...new Set(results.map((one) => one.workers))];
  const parts = workers.flatMap((count) => {
    const chosen = results.filter((one) => one.workers === count);
    const title = count === 1 ? "1 worker" : `${count} workers`;
    return [
      `#### ${title}: processor time, µs a request\n\n${cpuTable(chosen, pages)}`,
      `#### ${title}: requests a second\n\n${speedTable(chosen, pages)}`,
      `#### ${title}: latency p50 / p99, ms\n\n${latencyTable(chosen, pages)}`,
    ];
  });
  const goals = goalTable(results, pages, workers);
  if (goals !== "") parts.push(`#### Goals\n\n${goals}`);
  return parts.join("\n");
}

/** Median of one figure of one server's rounds; NaN where it was not measured. */
function medianOf(
  results: readonly ThroughputResult[],
  page: string,
  server: string,
  read: (round: ThroughputRound) => number,
): number {
  const found = results.find((one) => one.page === page && one.server === server);
  return found === undefined ? Number.NaN : median(found.rounds.map(read));
}

const cpuOf = (round: ThroughputRound): number => round.cpuMicros;

function cpuTable(results: readonly ThroughputResult[], pages: readonly Case[]): string {
  return serverTable(results, pages, (rounds, page) => {
    const own = medianOf(results, page.name, "typhon", cpuOf);
    const values = rounds.map(cpuOf);
    return medianWithSpread(values) + ratio(median(values), Number.isNaN(own) ? null : own);
  });
}

function speedTable(results: readonly ThroughputResult[], pages: readonly Case[]): string {
  return serverTable(results, pages, (rounds) =>
    medianWithSpread(rounds.map((round) => round.requestsPerSecond)),
  );
}

function latencyTable(results: readonly ThroughputResult[], pages: readonly Case[]): string {
  return serverTable(results, pages, (rounds) => {
    const p50 = median(rounds.map((round) => round.p50));
    const p99 = median(rounds.map((round) => round.p99));
    return `${figure(p50)} / ${figure(p99)}`;
  });
}

function serverTable(
  results: readonly ThroughputResult[],
  pages: readonly Case[],
  cell: (rounds: readonly ThroughputRound[], page: Case) => string,
): string {
  const rows = SERVERS.filter((server) => results.some((one) => one.server === server.name));
  return table(
    ["", ...pages.map((page) => page.title)],
    rows.map((server) => [
      server.title,
      ...pages.map((page) => {
        const found = results.find((one) => one.server === server.name && one.page === page.name);
        return found === undefined ? "–" : cell(found.rounds, page);
      }),
    ]),
  );
}

function goalTable(
  results: readonly ThroughputResult[],
  pages: readonly Case[],
  workers: readonly number[],
): string {
  const rows: string[][] = [];
  for (const page of pages) {
    for (const count of workers) {
      const chosen = results.filter((one) => one.workers === count);
      const own = medianOf(chosen, page.name, "typhon", cpuOf);
      const granian = best(chosen, page, "granian");
      const gunicorn = best(chosen, page, "gunicorn");
      if (Number.isNaN(own) || !Number.isFinite(granian + gunicorn)) continue;
      rows.push([
        `${page.title}, ${count}w`,
        `${(own / granian).toFixed(2)} of ≤ ${page.goalOfGranian.toFixed(2)}`,
        verdict(own / granian, page.goalOfGranian),
        `${(own / gunicorn).toFixed(2)} of ≤ ${page.goalOfGunicorn.toFixed(2)}`,
        verdict(own / gunicorn, page.goalOfGunicorn),
      ]);
    }
  }
  if (rows.length === 0) return "";
  return table(["CPU a request", "of Granian's best", "", "of gunicorn's best", ""], rows);
}

function best(results: readonly ThroughputResult[], page: Case, family: Server["family"]): number {
  const values = SERVERS.filter((server) => server.family === family)
    .map((server) => medianOf(results, page.name, server.name, cpuOf))
    .filter((value) => !Number.isNaN(value));
  return Math.min(...values);
}
