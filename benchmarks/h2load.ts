// One run of h2load (nghttp2) against one page: closed loop, one thread, HTTP/2 over TLS. One response that is no
// success makes the run void.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./program.ts";
import { percentile } from "./statistics.ts";
import type { WrkOutcome } from "./wrk.ts";

interface H2loadRun {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  /** Requests at once on each connection. */
  readonly streams: number;
  /** Seconds, or a number of requests. */
  readonly length: { readonly seconds: number } | { readonly requests: number };
  /** A file to post; null = GET. */
  readonly upload: string | null;
}

/** Fewer round trips for content than with the 64 KiB of the standard: as browsers do. */
const WINDOW_BITS = 24;

/** Runs h2load; throws if it fails or if one response is no success. */
export async function runH2load(run: H2loadRun): Promise<WrkOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "typhon-h2load-"));
  const log = join(folder, "log");
  const { length, upload } = run;
  try {
    const window = ["-w", String(WINDOW_BITS), "-W", String(WINDOW_BITS)];
    const load = ["-t", "1", "-c", String(run.connections), "-m", String(run.streams)];
    const end =
      "seconds" in length ? ["-D", String(length.seconds)] : ["-n", String(length.requests)];
    const post = upload === null ? [] : ["-d", upload, "-H", ":method: POST"];
    const url = `https://127.0.0.1:${run.port}${run.path}`;
    const words = [...load, ...window, ...end, ...post, `--log-file=${log}`, url];
    const output = await runProgram("h2load", words);
    return parseH2load(output, readFileSync(log, "latin1"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads the summary, and the log: a line a request, "start in µs, status, duration in µs". */
export function parseH2load(output: string, log: string): WrkOutcome {
  const number = (form: RegExp): number => Number(form.exec(output)?.[1] ?? Number.NaN);
  if (!/^Application protocol: h2$/m.test(output)) throw new Error(`no HTTP/2:\n${output}`);
  const requests = number(/(\d+) succeeded/);
  const failures = number(/(\d+) failed/) + number(/(\d+) errored/) + number(/(\d+) timeout/);
  if (failures > 0 || number(/status codes: (\d+) 2xx/) < requests || !(requests > 0))
    throw new Error(`h2load: failed requests:\n${output}`);
  const times = log
    .trimEnd()
    .split("\n")
    .map((line) => Number(line.split("\t")[2]) / 1000);
  const sorted = Float64Array.from(times).sort();
  return {
    requests,
    requestsPerSecond: number(/, ([\d.]+) req\/s/),
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
    bytesEach: number(/traffic: \S+ \((\d+)\) total/) / requests,
  };
}
