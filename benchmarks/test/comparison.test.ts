// The tables and the results of a comparison of two checkouts.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { loadResults, saveComparison, type Comparison, type ThroughputResult } from "../results.ts";
import { comparisonTables } from "../tables/comparison.ts";

const MACHINE = {
  cores: 2,
  processor: "Test",
  memoryBytes: 2 ** 32,
  system: "Debian",
  kernel: "6.1",
  versions: {},
};

const NOTHING: Comparison = {
  date: "2030-01-02T03:04:05.000Z",
  here: { title: "this checkout", commit: "aaaaaaaaaaaaaaaa" },
  there: { title: "bbbbbbb", commit: "bbbbbbbbbbbbbbbb" },
  rounds: 3,
  seconds: 2,
  machine: MACHINE,
  load: [],
  startup: [],
  connections: [],
};

function load(page: string, server: string, cpu: readonly number[]): ThroughputResult {
  const round = { requests: 1, requestsPerSecond: 1, p50: 1, p99: 2, max: 3, others: 0.25 };
  return { page, workers: 1, server, rounds: cpu.map((cpuMicros) => ({ ...round, cpuMicros })) };
}

test("shows the medians, their ratio, and the range of the rounds' own ratios", () => {
  const text = comparisonTables({
    ...NOTHING,
    load: [
      load("raw-hello", "this checkout", [20, 21, 22]),
      load("raw-hello", "bbbbbbb", [20, 20, 20]),
      load("websocket-16", "this checkout", [9, 10, 11]),
      load("websocket-16", "bbbbbbb", [10, 10, 10]),
      load("static-1k", "this checkout", [15, 15, 15]),
      load("static-1k", "bbbbbbb", [30, 30, 30]),
    ],
  });
  assert.match(text, /this checkout \(aaaaaaaaaaaa\) beside bbbbbbb/);
  assert.match(text, /\| this checkout \| bbbbbbb \| ratio \|/);
  assert.match(text, /WSGI hello, 13 bytes, 1w \| 21\.0 ±5 % \| 20\.0 ±0 % \|/);
  assert.match(
    text,
    /echo, 16 bytes, 1w \| 10\.0 ±10 % \| 10\.0 ±0 % \| 1\.000 \| 0\.90 … 1\.10 \|/,
  );
  assert.match(text, /file of 1 KB, 1w \| 15\.0 ±0 % \| 30\.0 ±0 % \| 0\.500 \|/);
  assert.match(text, /other programs used 0\.25 cores/);
});

test("marks a ratio above 1.03, and no other", () => {
  const ratioOf = (here: number): string => {
    const results = [load("flask", "this checkout", [here]), load("flask", "bbbbbbb", [100])];
    return comparisonTables({ ...NOTHING, load: results });
  };
  assert.match(ratioOf(103.1), /\| \*\*1\.031\*\*, above 1\.03 \|/);
  assert.match(ratioOf(103), /\| 1\.030 \|/);
  assert.match(ratioOf(90), /\| 0\.900 \|/);
});

test("shows starts and idle connections where they were measured", () => {
  const text = comparisonTables({
    ...NOTHING,
    startup: [
      { server: "this checkout", workers: 2, startMs: [120, 130, 140] },
      { server: "bbbbbbb", workers: 2, startMs: [130, 130, 130] },
    ],
    connections: [
      { server: "this checkout", held: 10_000, bytesEach: [3000] },
      { server: "bbbbbbb", held: 9_999, bytesEach: [4000] },
    ],
  });
  assert.match(text, /\| examples\/welcome, 2w \| 130 ±8 % \| 130 ±0 % \| 1\.000 \|/);
  assert.match(text, /\| 10,000 and 9,999 held \| 3,000 \| 4,000 \| 0\.750 \|/);
  assert.doesNotMatch(text, /CPU/);
});

test("keeps a comparison beside the results of suites, whose tables do not read it", () => {
  const folder = mkdtempSync(join(tmpdir(), "typhon-results-"));
  try {
    const path = saveComparison(folder, NOTHING);
    assert.equal(basename(path), "2030-01-02-0304-against-bbbbbbbbbbbb.json");
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), NOTHING);
    assert.deepEqual(loadResults(folder), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
