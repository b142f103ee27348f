// The tables of the closed-loop runs: processor time a request, which decides, then requests a second
// and latency; and the goals of the project held against them. WSGI, ASGI and WebSockets have the same
// tables, each with its own pages and servers. Pure.

import { ASGI_SERVERS } from "../asgi-servers.ts";
import { EDGE_CASES } from "../edge-cases.ts";
import { EDGE_SERVERS } from "../edge-servers.ts";
import { SECURE_CASES } from "../secure-cases.ts";
import { SECURE_SERVERS } from "../secure-servers.ts";
import { ASGI_CASES, CASES, WEBSOCKET_CASES, type Case, type Goal } from "../cases.ts";
import type { ThroughputResult, ThroughputRound } from "../results.ts";
import { SERVERS, type Server } from "../servers.ts";
import { median } from "../statistics.ts";
import { figure, medianWithSpread, ratio, table, verdict } from "./markdown.ts";

/** The pages and servers of the tables, and the unit that is counted. */
interface Subject {
  readonly pages: readonly Case[];
  readonly servers: readonly Server[];
  readonly unit: "request" | "message";
}

const WSGI: Subject = { pages: CASES, servers: SERVERS, unit: "request" };
const ASGI: Subject = { pages: ASGI_CASES, servers: ASGI_SERVERS, unit: "request" };
const WEBSOCKET: Subject = { pages: WEBSOCKET_CASES, servers: ASGI_SERVERS, unit: "message" };

const EDGE: Subject = { pages: EDGE_CASES, servers: EDGE_SERVERS, unit: "request" };
const SECURE: Subject = { pages: SECURE_CASES, servers: SECURE_SERVERS, unit: "request" };

const ASGI_GOALS =
  "Goals for processor time a request: FastAPI at most 0.85 of uvicorn's and no more than " +
  "Granian's; plain ASGI no more than uvicorn's and at most 1.20 of Granian's.\n\n";

const FAMILY_TITLES = {
  granian: "Granian",
  gunicorn: "gunicorn",
  nginx: "nginx",
  uvicorn: "uvicorn",
} as const;

/** All tables of the WSGI pages. */
export function throughputTables(results: readonly ThroughputResult[]): string {
  return tablesOf(WSGI, results);
}

/** All tables of the ASGI pages, below the text about their goals. */
export function asgiTables(results: readonly ThroughputResult[]): string {
  return ASGI_GOALS + tablesOf(ASGI, results);
}

/** All tables of the WebSocket echoes. */
export function webSocketTables(results: readonly ThroughputResult[]): string {
  return tablesOf(WEBSOCKET, results);
}

/** All tables of files and compression, and of the pages over TLS. */
export function edgeTables(results: readonly ThroughputResult[]): string {
  const bytes = bytesTable(results);
  const parts = [EDGE, SECURE].flatMap((subject) => {
    const own = results.filter((one) => subject.pages.some(({ name }) => name === one.page));
    return own.length === 0 ? [] : [tablesOf(subject, own)];
  });
  if (bytes !== "")
    parts.push(`#### Bytes of a compressed response, its head included\n\n${bytes}`);
  return parts.join("\n");
}

/** What each server made of a page that is compressed: less work may mean more bytes. */
function bytesTable(results: readonly ThroughputResult[]): string {
  const pages = EDGE_CASES.filter(
    ({ name, fields }) => "accept-encoding" in fields && results.some((one) => one.page === name),
  );
  if (pages.length === 0) return "";
  return serverTable({ results, pages, servers: EDGE_SERVERS }, (rounds) =>
    figure(median(rounds.map(({ bytesEach = Number.NaN }) => bytesEach))),
  );
}

function tablesOf(subject: Subject, results: readonly ThroughputResult[]): string {
  const { servers, unit } = subject;
  const pages = subject.pages.filter((page) => results.some((one) => one.page === page.name));
  const workers = [...new Set(results.map((one) => one.workers))];
  const parts = workers.flatMap((count) => {
    const chosen = results.filter((one) => one.workers === count);
    const title = count === 1 ? "1 worker" : `${count} workers`;
    return [
      `#### ${title}: processor time, µs a ${unit}\n\n${cpuTable(chosen, pages, servers)}`,
      `#### ${title}: ${unit}s a second\n\n${speedTable(chosen, pages, servers)}`,
      `#### ${title}: latency p50 / p99, ms\n\n${latencyTable(chosen, pages, servers)}`,
    ];
  });
  const goals = goalTable(results, pages, servers);
  if (goals !== "") parts.push(`#### Goals\n\n${goals}`);
  return parts.join("\n");
}

/** The median of one figure over the rounds of a server; NaN if the page was not measured with it. */
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

function cpuTable(
  results: readonly ThroughputResult[],
  pages: readonly Case[],
  servers: readonly Server[],
): string {
  return serverTable({ results, pages, servers }, (rounds, page) => {
    const own = medianOf(results, page.name, "typhon", cpuOf);
    const values = rounds.map(cpuOf);
    return medianWithSpread(values) + ratio(median(values), Number.isNaN(own) ? null : own);
  });
}

function speedTable(
  results: readonly ThroughputResult[],
  pages: readonly Case[],
  servers: readonly Server[],
): string {
  return serverTable({ results, pages, servers }, (rounds) =>
    medianWithSpread(rounds.map((round) => round.requestsPerSecond)),
  );
}

function latencyTable(
  results: readonly ThroughputResult[],
  pages: readonly Case[],
  servers: readonly Server[],
): string {
  return serverTable({ results, pages, servers }, (rounds) => {
    const p50 = median(rounds.map((round) => round.p50));
    const p99 = median(rounds.map((round) => round.p99));
    return `${figure(p50)} / ${figure(p99)}`;
  });
}

interface Shown {
  readonly results: readonly ThroughputResult[];
  readonly pages: readonly Case[];
  readonly servers: readonly Server[];
}

function serverTable(
  { results, pages, servers }: Shown,
  cell: (rounds: readonly ThroughputRound[], page: Case) => string,
): string {
  const rows = servers.filter((server) => results.some((one) => one.server === server.name));
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
  servers: readonly Server[],
): string {
  const rows: string[][] = [];
  const workers = [...new Set(results.map((one) => one.workers))];
  const families = [...new Set(pages.flatMap(({ goals }) => goals.map(({ family }) => family)))];
  for (const page of pages) {
    for (const count of workers) {
      const chosen = results.filter((one) => one.workers === count);
      const own = medianOf(chosen, page.name, "typhon", cpuOf);
      const goalOf = (family: Goal["family"]): Goal | undefined =>
        page.goals.find((goal) => goal.family === family);
      const reached = families.map((family) => {
        const goal = goalOf(family);
        return goal === undefined ? Number.NaN : own / best(chosen, page, goal, servers);
      });
      // A peer that was not measured leaves a share of 0 or none.
      if (!reached.some((share) => share > 0)) continue;
      rows.push([
        `${page.title}, ${count}w`,
        ...families.flatMap((family, at) => {
          const [goal, share = Number.NaN] = [goalOf(family), reached[at]];
          if (goal === undefined || !(share > 0)) return ["–", ""];
          return [`${share.toFixed(2)} of ≤ ${goal.share.toFixed(2)}`, verdict(share, goal.share)];
        }),
      ]);
    }
  }
  if (rows.length === 0) return "";
  const head = families.flatMap((family) => [`of ${FAMILY_TITLES[family]}'s best`, ""]);
  return table(["CPU a request", ...head], rows);
}

/** The least CPU a request among the servers of the goal's family; infinite where none ran. */
function best(
  results: readonly ThroughputResult[],
  page: Case,
  goal: Goal,
  servers: readonly Server[],
): number {
  const values = servers
    .filter((server) => server.family === goal.family)
    .map((server) => medianOf(results, page.name, server.name, cpuOf))
    .filter((value) => !Number.isNaN(value));
  return Math.min(...values);
}
