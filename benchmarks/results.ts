// The results of a run as plain JSON, one file a run. Times are milliseconds where the name does not say
// otherwise; memory is bytes. All rounds are kept, so that noise can be seen later; the tables show medians.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.ts";

/** One round of one server on one page. `others`: cores used by other programs meanwhile (clocks.ts). */
export interface ThroughputRound {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly cpuMicros: number;
  /** Bytes of a response, its head included. Absent from WebSockets and older runs. */
  readonly bytesEach?: number;
  readonly others: number;
}

export interface ThroughputResult {
  readonly page: string;
  readonly workers: number;
  readonly server: string;
  readonly rounds: readonly ThroughputRound[];
}

export interface MemoryResult {
  readonly server: string;
  readonly workers: number;
  readonly processes: number;
  readonly rss: readonly number[];
  readonly pss: readonly number[];
}

export interface ConnectionsResult {
  readonly server: string;
  /** Connections that were still open when memory was read. */
  readonly held: number;
  /** Growth of resident memory a connection, one figure a round. */
  readonly bytesEach: readonly number[];
}

export interface StartupResult {
  readonly server: string;
  readonly workers: number;
  readonly startMs: readonly number[];
}

/** The short requests of one load run. `failed` counts the requests without a right response. */
export interface MixedRound {
  readonly sent: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** 99th percentile of how late the generator itself sent. */
  readonly lateness: number;
  readonly cpuMicros: number;
  readonly others: number;
}

export interface MixedResult {
  readonly mix: "sleep" | "cpu";
  readonly workers: number;
  /** Share of the slowest server's capacity, 0.5 or 0.8. */
  readonly load: number;
  readonly requestsPerSecond: number;
  readonly server: string;
  readonly rounds: readonly MixedRound[];
}

export interface CapacityResult {
  readonly mix: "sleep" | "cpu";
  readonly workers: number;
  readonly server: string;
  readonly requestsPerSecond: readonly number[];
}

/** The results of one suite of mixed load. */
export interface MixedOutcome {
  readonly capacity: readonly CapacityResult[];
  readonly mixed: readonly MixedResult[];
}

/** One run. A suite that was not asked for is null. */
export interface Results {
  /** ISO time of the start. */
  readonly date: string;
  /** A narrowed run (fewer servers, pages, rounds or seconds) never replaces a whole one in the tables. */
  readonly isWhole: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly machine: Machine;
  readonly missing: readonly string[];
  readonly throughput: readonly ThroughputResult[] | null;
  /** Absent from runs that are older than this suite. */
  readonly asgi?: readonly ThroughputResult[] | null;
  /** Requests are messages here. Absent from runs that are older than this suite. */
  readonly websocket?: readonly ThroughputResult[] | null;
  /** Absent from runs that are older than this suite. */
  readonly edge?: readonly ThroughputResult[] | null;
  /** Absent from runs that are older than this suite. */
  readonly cgi?: readonly ThroughputResult[] | null;
  /** Idle connections of HTTP/1.1 over TLS; measured with "edge". Absent from older runs. */
  readonly tlsConnections?: readonly ConnectionsResult[] | null;
  readonly memory: readonly MemoryResult[] | null;
  readonly connections: readonly ConnectionsResult[] | null;
  readonly startup: readonly StartupResult[] | null;
  readonly capacity: readonly CapacityResult[] | null;
  readonly mixed: readonly MixedResult[] | null;
  /** Absent from runs that are older than this suite. */
  readonly "asgi-mixed"?: MixedOutcome | null;
}

/** One run of two checkouts. Their titles are the names of the servers in the results. */
export interface Comparison {
  /** ISO time of the start. */
  readonly date: string;
  readonly here: Compared;
  readonly there: Compared;
  readonly rounds: number;
  readonly seconds: number;
  readonly machine: Machine;
  /** Empty with --start. Requests of WebSocket pages are messages. */
  readonly load: readonly ThroughputResult[];
  /** Both are empty without --start. */
  readonly startup: readonly StartupResult[];
  readonly connections: readonly ConnectionsResult[];
}

/** A checkout that was compared: its title in tables, and its commit. */
interface Compared {
  readonly title: string;
  readonly commit: string;
}

/** Names of the suites in a result, in the order in which they are measured and shown. */
export const SUITES = [
  "throughput",
  "asgi",
  "websocket",
  "edge",
  "cgi",
  "memory",
  "connections",
  "startup",
  "mixed",
  "asgi-mixed",
] as const;
export type Suite = (typeof SUITES)[number];

/** The suites of a run without selectors. */
export const WHOLE: readonly Suite[] = SUITES.filter((suite) => suite !== "websocket");

/** True if that suite was measured in this run. */
export function hasSuite(results: Results, suite: Suite): boolean {
  return (results[suite] ?? null) !== null;
}

/** Writes `<date>-<suites>.json` into `folder`; returns the path. */
export function saveResults(folder: string, results: Results): string {
  const made = SUITES.filter((suite) => hasSuite(results, suite));
  return save(folder, made.length >= WHOLE.length ? "all" : made.join("-"), results);
}

const COMPARISON = "against-";

/** Writes `<date>-against-<commit>.json` into `folder`; returns the path. */
export function saveComparison(folder: string, comparison: Comparison): string {
  const what = comparison.startup.length > 0 ? "-start" : "";
  return save(folder, `${COMPARISON}${comparison.there.commit.slice(0, 12)}${what}`, comparison);
}

function save(folder: string, what: string, results: { readonly date: string }): string {
  const date = results.date.slice(0, 16).replace("T", "-").replace(":", "");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${date}-${what}.json`);
  writeFileSync(path, `${JSON.stringify(results, null, 1)}\n`);
  return path;
}

/** All results of `folder` but comparisons, oldest first. Throws if a file holds no results. */
export function loadResults(folder: string): Results[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json") && !name.includes(`-${COMPARISON}`))
    .toSorted()
    .map((name) => {
      const text = readFileSync(join(folder, name), "utf8");
      const loaded: unknown = JSON.parse(text);
      if (!isResults(loaded)) throw new Error(`benchmarks/results/${name} is not a result`);
      return loaded;
    });
}

/** Tells results from other JSON by some of their names; these benchmarks wrote the files. */
function isResults(value: unknown): value is Results {
  if (typeof value !== "object" || value === null) return false;
  return ["machine", "isWhole", "throughput", "mixed"].every((name) => name in value);
}
