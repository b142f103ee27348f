// Markdown tables and the number formats that all tables share. Pure.

import { median, spread } from "../statistics.ts";

/** A table whose first column is left-aligned text and whose others are right-aligned figures. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** Three significant figures, thousands apart: 1.23, 45.6, 789, 12,300. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))));
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** The median with half the range as a share: "28.4 ±3 %". */
export function medianWithSpread(values: readonly number[]): string {
  if (values.length < 2) return figure(median(values));
  return `${figure(median(values))} ±${Math.round(spread(values) * 100)} %`;
}

/** How many cores other programs used while these results were measured. */
export function loadOfOthers(
  results: readonly { readonly rounds: readonly { readonly others: number }[] }[],
): string {
  const others = results.flatMap(({ rounds }) => rounds.map((round) => round.others));
  const most = Math.max(...others).toFixed(2);
  return `other programs used ${median(others).toFixed(2)} cores in the median round, ${most} in the worst`;
}

/** The value as a multiple of `base`, " (×2.31)"; empty without a base. */
export function ratio(value: number, base: number | null): string {
  return base === null || !(base > 0) ? "" : ` (×${(value / base).toFixed(2)})`;
}

/** Whether a goal is met: the value is at most the limit. */
export function verdict(value: number, limit: number): string {
  return value <= limit ? "met" : "**not met**";
}
