// One run of wrk against one page: closed loop, one thread, kept-alive connections. One response that is
// no success, or one broken connection, makes the run void: a server that drops requests looks fast.

import { join } from "node:path";
import { BENCHMARKS } from "./places.ts";
import { readNumbers, runProgram } from "./program.ts";

/** Enough that no worker waits for a client; few enough that one thread of wrk keeps up. */
const CONNECTIONS = 32;

/** Names in the JSON line of wrk.lua. */
const FIGURES = ["requests", "micros", "bytes", "p50", "p99", "max"] as const;
const FAILURES = ["refused", "socketErrors", "timeouts"] as const;

interface WrkRun {
  readonly port: number;
  readonly path: string;
  /** Bytes to post; 0 = GET. */
  readonly postBytes: number;
  /** JSON to post instead of so many bytes. */
  readonly postJson?: string | undefined;
  readonly seconds: number;
  readonly connections?: number;
  readonly isSecure?: boolean;
  /** Fields of each request. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Requests go round so many files below the page's folder (wrk.lua); 1: the path alone. */
  readonly files?: number;
}

/** Latencies in milliseconds. */
export interface LoadOutcome {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Bytes received a response, heads included; absent where they are not counted. */
  readonly bytesEach?: number;
}

export interface WrkOutcome extends LoadOutcome {
  readonly bytesEach: number;
}

/** Runs wrk; throws if wrk fails or if one response is no success. */
export async function runWrk(run: WrkRun): Promise<WrkOutcome> {
  const { port, path, seconds, connections = CONNECTIONS, fields = {}, isSecure = false } = run;
  const script = join(BENCHMARKS, "wrk.lua");
  const output = await runProgram("wrk", [
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--timeout",
    "10s",
    "--latency",
    "-s",
    script,
    ...Object.entries(fields).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
    `${isSecure ? "https" : "http"}://127.0.0.1:${port}${path}`,
    ...wordsOf(run),
  ]);
  return parseWrk(output);
}

/** What wrk.lua is to send in place of a GET of one path. */
function wordsOf({ postBytes, postJson, files = 1 }: WrkRun): string[] {
  if (postJson !== undefined) return ["--", "JSON", postJson];
  if (postBytes > 0) return ["--", "BYTES", String(postBytes)];
  return files > 1 ? ["--", "FILES", String(files)] : [];
}

/** Reads the JSON line that wrk.lua prints; throws if the line is missing or if a request failed. */
export function parseWrk(output: string): WrkOutcome {
  const line = output.split("\n").find((one) => one.startsWith("{"));
  if (line === undefined) throw new Error(`wrk printed no outcome:\n${output}`);
  const outcome = readNumbers(line, [...FIGURES, ...FAILURES]);
  const { requests, micros, bytes, p50, p99, max } = outcome;
  const failures = FAILURES.reduce((sum, name) => sum + outcome[name], 0);
  if (failures > 0) throw new Error(`wrk saw ${failures} failed requests: ${line}`);
  if (requests === 0) throw new Error(`wrk got no response: ${line}`);
  return {
    requests,
    requestsPerSecond: (requests / micros) * 1e6,
    p50: p50 / 1000,
    p99: p99 / 1000,
    max: max / 1000,
    bytesEach: bytes / requests,
  };
}
