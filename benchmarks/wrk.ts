// One run of wrk against one page: closed loop, one thread, kept-alive connections. One response that is
// no success, or one broken connection, makes the run void: a server that drops requests looks fast.

import { join } from "node:path";
import { BENCHMARKS } from "./places.ts";
import { runProgram } from "./program.ts";

/** Enough that no worker waits for a client; few enough that one thread of wrk keeps up. */
const CONNECTIONS = 32;

interface WrkRun {
  readonly port: number;
  readonly path: string;
  /** Bytes to post; 0 = GET. */
  readonly postBytes: number;
  /** JSON to post instead of so many bytes. */
  readonly postJson?: string | undefined;
  readonly seconds: number;
}

/** Latencies in milliseconds. */
export interface WrkOutcome {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Runs wrk; throws if wrk fails or if one response is no success. */
export async function runWrk(run: WrkRun): Promise<WrkOutcome> {
  const { port, path, postBytes, postJson, seconds } = run;
  const script = join(BENCHMARKS, "wrk.lua");
  const bytes = postBytes > 0 ? ["--", "BYTES", String(postBytes)] : [];
  const post = postJson === undefined ? bytes : ["--", "JSON", postJson];
  const output = await runProgram("wrk", [
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    "--timeout",
    "10s",
    "--latency",
    "-s",
    script,
    `http://127.0.0.1:${port}${path}`,
    ...post,
  ]);
  return parseWrk(output);
}

/** Reads the JSON line that wrk.lua prints; throws if the line is missing or if a request failed. */
export function parseWrk(output: string): WrkOutcome {
  const line = output.split("\n").find((one) => one.startsWith("{"));
  if (line === undefined) throw new Error(`wrk printed no outcome:\n${output}`);
  const outcome: unknown = JSON.parse(line);
  const read = (name: string): number => {
    const value: unknown = Reflect.get(Object(outcome), name);
    if (typeof value !== "number") throw new Error(`wrk's outcome has no ${name}: ${line}`);
    return value;
  };
  const failures = read("refused") + read("socketErrors") + read("timeouts");
  if (failures > 0) throw new Error(`wrk saw ${failures} failed requests: ${line}`);
  if (read("requests") === 0) throw new Error(`wrk got no response: ${line}`);
  return {
    requests: read("requests"),
    requestsPerSecond: (read("requests") / read("micros")) * 1e6,
    p50: read("p50") / 1000,
    p99: read("p99") / 1000,
    max: read("max") / 1000,
  };
}
