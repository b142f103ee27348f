// The result of a run of all trials: rows, and the JSON file that keeps them beside the benchmarks' results,
// in the same form.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Machine } from "../machine.ts";
import { RESULTS } from "../places.ts";
import type { Results } from "../results.ts";
import type { Figure, Size } from "./trial.ts";

export type RowOutcome = "held" | "broken" | "not built" | "not possible here";

/** The outcome of one trial of one server. */
export interface Row {
  readonly trial: string;
  readonly promise: string;
  readonly server: string;
  readonly app: string;
  readonly size: Size;
  readonly outcome: RowOutcome;
  readonly did: string;
  readonly figures: readonly Figure[];
  readonly faults: readonly string[];
  readonly seconds: number;
}

export interface ChaosResults extends Results {
  readonly seed: number;
  readonly size: Size;
  readonly chaos: readonly Row[];
}

interface ChaosRun {
  readonly date: string;
  readonly isWhole: boolean;
  readonly seed: number;
  readonly size: Size;
  readonly seconds: number;
  readonly machine: Machine;
  readonly chaos: readonly Row[];
}

const SUFFIX = "-chaos.json";

/** Writes `<date>-chaos.json`; returns the path. */
export function saveOutcomes(run: ChaosRun): string {
  const results: ChaosResults = {
    ...run,
    rounds: 1,
    seconds: Math.round(run.seconds),
    missing: [],
    throughput: null,
    memory: null,
    connections: null,
    startup: null,
    capacity: null,
    mixed: null,
  };
  mkdirSync(RESULTS, { recursive: true });
  const date = run.date.slice(0, 16).replace("T", "-").replace(":", "");
  const path = join(RESULTS, `${date}${SUFFIX}`);
  writeFileSync(path, `${JSON.stringify(results, null, 1)}\n`);
  return path;
}

/** The results that saveOutcomes() wrote to `path`; throws if there are none. */
export function loadOutcomes(path: string): ChaosResults {
  const results: ChaosResults = JSON.parse(readFileSync(path, "utf8"));
  if (!Array.isArray(results.chaos)) throw new Error(`${path} holds no run of npm run chaos`);
  return results;
}

/** The distinct faults, how often each, the first few of them. */
export function tellFaults(faults: readonly string[], most: number): string[] {
  const counted = new Map<string, number>();
  for (const fault of faults) counted.set(fault, (counted.get(fault) ?? 0) + 1);
  const told = [...counted].map(([fault, count]) => (count > 1 ? `${fault} (${count} ×)` : fault));
  if (told.length <= most) return told;
  return [...told.slice(0, most), `and ${told.length - most} more`];
}

/** "latest 504 after the deadline 87 ms". */
export function tellFigure({ label, value, unit }: Figure): string {
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 1 : 0;
  const shown = value.toLocaleString("en-US", { maximumFractionDigits: digits });
  return `${label} ${shown}${unit === "" || unit.startsWith("/") ? unit : ` ${unit}`}`;
}
