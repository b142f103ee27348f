// The tables of a comparison of two checkouts: medians side by side, and their ratio. Pure.

import { COMPARED_PAGES, WEBSOCKET_CASES } from "../cases.ts";
import { COMPARED_FILES } from "../edge-cases.ts";
import type { Comparison } from "../results.ts";
import { median } from "../statistics.ts";
import { loadOfOthers, medianWithSpread, table } from "./markdown.ts";

/** Greater ratios are marked. One run on a quiet machine tells differences of about this size. */
const MAX_RATIO = 1.03;

/** All tables of a comparison, below a line that says what was compared. */
export function comparisonTables(comparison: Comparison): string {
  const { here, there, load, startup, connections, rounds, seconds } = comparison;
  const parts = [
    `${here.title} (${here.commit.slice(0, 12)}) beside ${there.title}, rounds in turns: ${rounds}. Medians ± half ` +
      `the range; ratio of the medians, then the least and the greatest ratio of one round.\n`,
  ];
  if (load.length > 0) {
    parts.push(
      pairTable(comparison, {
        title: `CPU µs a request or message, runs of ${seconds} s`,
        results: load,
        label: ({ page, workers }) => `${titleOf(page)}, ${workers}w`,
        figures: (one) => one.rounds.map((round) => round.cpuMicros),
      }),
      `Meanwhile ${loadOfOthers(load)}.\n`,
    );
  }
  if (startup.length > 0) {
    parts.push(
      pairTable(comparison, {
        title: "Start to first response, ms",
        results: startup,
        label: ({ workers }) => `examples/welcome, ${workers}w`,
        figures: (one) => one.startMs,
      }),
    );
  }
  if (connections.length > 0) {
    const held = connections.map((one) => one.held.toLocaleString("en-US")).join(" and ");
    parts.push(
      pairTable(comparison, {
        title: "Memory of an idle connection, bytes",
        results: connections,
        label: () => `${held} held`,
        figures: (one) => one.bytesEach,
      }),
    );
  }
  return parts.join("\n");
}

function titleOf(page: string): string {
  const pages = [...COMPARED_PAGES, ...WEBSOCKET_CASES, ...COMPARED_FILES];
  return pages.find(({ name }) => name === page)?.title ?? page;
}

interface Figures<Result> {
  readonly title: string;
  /** Both checkouts' results, in the same order. */
  readonly results: readonly Result[];
  readonly label: (result: Result) => string;
  /** One figure a round. */
  readonly figures: (result: Result) => readonly number[];
}

function pairTable<Result extends { readonly server: string }>(
  { here, there }: Comparison,
  { title, results, label, figures }: Figures<Result>,
): string {
  const of = (name: string): Result[] => results.filter(({ server }) => server === name);
  const theirs = of(there.title);
  const rows = of(here.title).flatMap((ours, index) => {
    const other = theirs[index];
    return other === undefined ? [] : [[label(ours), ...cells(figures(ours), figures(other))]];
  });
  return table([title, here.title, there.title, "ratio", "of a round"], rows);
}

/** Medians, their ratio, and the range of the rounds' ratios. Figures in the same place are of one round. */
function cells(here: readonly number[], there: readonly number[]): string[] {
  const ratio = median(here) / median(there);
  const ratios = here.map((value, round) => value / (there[round] ?? Number.NaN));
  const range = [Math.min(...ratios), Math.max(...ratios)].map((value) => value.toFixed(2));
  return [
    medianWithSpread(here),
    medianWithSpread(there),
    ratio > MAX_RATIO ? `**${ratio.toFixed(3)}**, above ${MAX_RATIO}` : ratio.toFixed(3),
    range.join(" … "),
  ];
}
