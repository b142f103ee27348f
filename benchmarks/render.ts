// Puts the newest figures into benchmarks/README.md, between its "figures" marks; the text around the
// marks is written by hand. The figures of a suite are from the newest whole run of the suite. Without one
// they are from the newest narrowed run, and the text above the table says so.
//
//   node benchmarks/render.ts

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.ts";
import { BENCHMARKS, RESULTS } from "./places.ts";
import { hasSuite, loadResults, SUITES, type Results, type Suite } from "./results.ts";
import { ASGI_SERVERS } from "./asgi-servers.ts";
import { SERVERS } from "./servers.ts";
import { cgiTables } from "./tables/cgi.ts";
import { loadOfOthers } from "./tables/markdown.ts";
import { mixedTables, type MixedField } from "./tables/mixed.ts";
import {
  connectionsTable,
  memoryTable,
  startupTable,
  tlsConnectionsTable,
} from "./tables/without-load.ts";
import { asgiTables, edgeTables, throughputTables, webSocketTables } from "./tables/throughput.ts";

const BEGIN = "<!-- figures: rendered by render.ts -->";
const END = "<!-- end of figures -->";

const TITLES: Readonly<Record<Suite, string>> = {
  throughput: "Closed loop",
  asgi: "ASGI",
  websocket: "WebSocket echo, 64 connections",
  edge: "Edge: files, compression, TLS and HTTP/2",
  cgi: "CGI programs",
  memory: "Memory after the start with Flask",
  connections: "Idle kept-alive connections",
  startup: "From start to the first response",
  mixed: "Mixed load",
  "asgi-mixed": "Mixed load, ASGI",
};

const WSGI: MixedField = {
  servers: SERVERS,
  goals: { sleep: 0.5, cpu: 0.5 },
  threads: " × 4 threads",
};
const ASGI: MixedField = { servers: ASGI_SERVERS, goals: { sleep: 1, cpu: 0.5 }, threads: "" };

/** Tables of one run, for the terminal. */
export function renderTables(results: Results): string {
  const tables = SUITES.filter((suite) => hasSuite(results, suite)).map(
    (suite) => `### ${TITLES[suite]}\n\n${TABLES[suite](results)}`,
  );
  const missing = results.missing.map((one) => `Missing: ${one}\n`);
  return [...tables, ...missing].join("\n");
}

/** Renders README.md from all results that are kept. */
export function renderReadme(): void {
  mkdirSync(RESULTS, { recursive: true });
  const path = join(BENCHMARKS, "README.md");
  writeFileSync(path, placeFigures(readFileSync(path, "utf8"), figures(loadResults(RESULTS))));
}

/** `text` with everything between the marks replaced by `made`; throws if the marks are missing. */
export function placeFigures(text: string, made: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error("benchmarks/README.md lacks the marks for figures");
  return `${text.slice(0, begin + BEGIN.length)}\n\n${made}\n${text.slice(end)}`;
}

/** The tables of all suites, each below the date and the machine of its run. */
export function figures(all: readonly Results[]): string {
  const parts = SUITES.map((suite) => {
    const title = `### ${TITLES[suite]}\n\n`;
    const chosen = newest(all, suite);
    if (chosen === null) return `${title}Not measured yet.\n`;
    return `${title}${origin(suite, chosen)}\n\n${TABLES[suite](chosen)}`;
  });
  return parts.join("\n");
}

function newest(all: readonly Results[], suite: Suite): Results | null {
  const having = all.filter((one) => hasSuite(one, suite));
  return having.findLast((one) => one.isWhole) ?? having.at(-1) ?? null;
}

function origin(suite: Suite, results: Results): string {
  const narrowed = results.isWhole ? "" : " **A narrowed run: to be taken as a hint.**";
  const missing = results.missing.length > 0 ? ` Missing: ${results.missing.join("; ")}.` : "";
  return `${results.date.slice(0, 10)}, ${results.rounds} interleaved rounds; ${describe(results.machine)}${othersOf(suite, results)}.${missing}${narrowed}`;
}

function describe(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const memory = Math.round(machine.memoryBytes / 2 ** 30);
  return (
    `${machine.cores} cores (${machine.processor}), ${memory} GiB, ${machine.system}, ` +
    `Linux ${machine.kernel}; ${versions.join(", ")}`
  );
}

function othersOf(suite: Suite, results: Results): string {
  if (suite === "memory" || suite === "connections" || suite === "startup") return "";
  const measured = suite === "asgi-mixed" ? (results[suite]?.mixed ?? []) : (results[suite] ?? []);
  return measured.length === 0 ? "" : `; ${loadOfOthers(measured)}`;
}

const TABLES: Readonly<Record<Suite, (results: Results) => string>> = {
  throughput: ({ throughput }) => throughputTables(throughput ?? []),
  asgi: ({ asgi }) => asgiTables(asgi ?? []),
  websocket: ({ websocket }) => webSocketTables(websocket ?? []),
  edge: ({ edge, tlsConnections }) =>
    [
      edgeTables(edge ?? []),
      ...((tlsConnections ?? []).length > 0 ? [tlsConnectionsTable(tlsConnections ?? [])] : []),
    ].join("\n"),
  cgi: ({ cgi }) => cgiTables(cgi ?? []),
  memory: ({ memory }) => memoryTable(memory ?? []),
  connections: ({ connections }) => connectionsTable(connections ?? []),
  startup: ({ startup }) => startupTable(startup ?? []),
  mixed: ({ capacity, mixed }) =>
    mixedTables({ capacity: capacity ?? [], mixed: mixed ?? [] }, WSGI),
  "asgi-mixed": (results) =>
    mixedTables(results["asgi-mixed"] ?? { capacity: [], mixed: [] }, ASGI),
};

if (import.meta.main) renderReadme();
