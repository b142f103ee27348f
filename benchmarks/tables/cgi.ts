// The tables of the suite "cgi": requests a second, processor time and p99, and the goals beside Apache. Pure.

import { CGI_CASES, type CgiCase } from "../cgi-cases.ts";
import { CGI_SERVERS } from "../cgi-servers.ts";
import type { ThroughputResult, ThroughputRound } from "../results.ts";
import { median } from "../statistics.ts";
import { figure, medianWithSpread, table } from "./markdown.ts";

/** Requests a second beside Apache's, at least. */
const WARM_TIMES = 10;
const COLD_TIMES = 0.9;

type Read = (round: ThroughputRound) => number;
const perSecond: Read = (round) => round.requestsPerSecond;
const p99: Read = (round) => round.p99;

/** All tables of the suite. */
export function cgiTables(results: readonly ThroughputResult[]): string {
  const pages = CGI_CASES.filter(({ name }) => results.some((one) => one.page === name));
  const parts = [
    ["requests a second", (rounds: readonly ThroughputRound[]) => spreadOf(rounds, perSecond)],
    [
      "processor time, ms a request",
      (rounds: readonly ThroughputRound[]) => spreadOf(rounds, ({ cpuMicros }) => cpuMicros / 1000),
    ],
    [
      "latency p50 / p99, ms",
      (rounds: readonly ThroughputRound[]) =>
        `${figure(median(rounds.map(({ p50 }) => p50)))} / ${figure(median(rounds.map(p99)))}`,
    ],
  ] as const;
  const tables = parts.map(
    ([title, cell]) => `#### CGI: ${title}\n\n${serverTable(results, pages, cell)}`,
  );
  return [...tables, `#### CGI: goals\n\n${goalTable(results, pages)}`].join("\n");
}

function spreadOf(rounds: readonly ThroughputRound[], read: Read): string {
  return medianWithSpread(rounds.map(read));
}

function serverTable(
  results: readonly ThroughputResult[],
  pages: readonly CgiCase[],
  cell: (rounds: readonly ThroughputRound[]) => string,
): string {
  const rows = CGI_SERVERS.filter(({ name }) => results.some((one) => one.server === name));
  return table(
    ["", ...rows.map(({ title }) => title)],
    pages.map((page) => [
      page.title,
      ...rows.map(({ name }) => {
        const found = results.find((one) => one.server === name && one.page === page.name);
        return found === undefined ? "–" : cell(found.rounds);
      }),
    ]),
  );
}

/** Each page: requests a second, and p99, as multiples of Apache's. */
function goalTable(results: readonly ThroughputResult[], pages: readonly CgiCase[]): string {
  const of = (page: CgiCase, server: string, read: Read): number => {
    const found = results.find((one) => one.server === server && one.page === page.name);
    return found === undefined ? Number.NaN : median(found.rounds.map(read));
  };
  const times = (page: CgiCase, server: string, read: Read): number =>
    of(page, server, read) / of(page, "apache", read);
  const rows = pages.map((page) => {
    const isWarm = page.language === "Python";
    const shown = isWarm ? "typhon" : "typhon-cold";
    return [
      page.title,
      isWarm ? atLeast(times(page, "typhon", perSecond), WARM_TIMES) : "–",
      atLeast(times(page, "typhon-cold", perSecond), COLD_TIMES),
      page.connections === 1 ? "–" : atMost(times(page, shown, p99), 1),
    ];
  });
  const head = ["beside Apache", "warm, requests/s", "cold, requests/s", "p99"];
  return table(head, rows);
}

function atLeast(value: number, goal: number): string {
  if (!Number.isFinite(value)) return "–";
  return `×${figure(value)} of ≥ ${goal}${value >= goal ? "" : ", **not met**"}`;
}

function atMost(value: number, goal: number): string {
  if (!Number.isFinite(value)) return "–";
  return `×${figure(value)} of ≤ ${goal}${value <= goal ? "" : ", **not met**"}`;
}
