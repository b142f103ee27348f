// The tables: which run the figures of a suite are from, and that goals mean the best of each peer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { figures, placeFigures } from "../render.ts";
import type { Results, ThroughputResult } from "../results.ts";
import { figure } from "../tables/markdown.ts";

const MACHINE = {
  cores: 2,
  processor: "Test",
  memoryBytes: 2 ** 32,
  system: "Debian",
  kernel: "6.1",
  versions: { granian: "2.0" },
};

function makeResults(changed: Partial<Results>): Results {
  return {
    date: "2030-01-02T03:04:05.000Z",
    isWhole: true,
    rounds: 5,
    seconds: 3,
    machine: MACHINE,
    missing: [],
    throughput: null,
    memory: null,
    connections: null,
    startup: null,
    capacity: null,
    mixed: null,
    ...changed,
  };
}

function hello(server: string, cpuMicros: number): ThroughputResult {
  const round = { requests: 1, requestsPerSecond: 1000, p50: 1, p99: 2, max: 3, others: 0 };
  return { page: "raw-hello", workers: 1, server, rounds: [{ ...round, cpuMicros }] };
}

test("takes the newest whole run, and a narrowed one only where there is no other", () => {
  const whole = makeResults({ throughput: [hello("granian", 31)] });
  const narrowed = makeResults({ isWhole: false, throughput: [hello("granian", 77)] });
  assert.match(figures([whole, narrowed]), /\| Granian, 4 threads \| 31\.0 \|/);
  assert.doesNotMatch(figures([whole, narrowed]), /narrowed/);
  assert.match(figures([narrowed]), /narrowed run[^]*\| 77\.0 \|/);
  assert.match(figures([]), /Not measured yet/);
});

test("shows ratios to Typhon and holds the goals against the best of each peer", () => {
  const throughput = [
    hello("typhon", 30),
    hello("granian", 40),
    hello("granian-1", 25),
    hello("gunicorn-sync", 300),
    hello("gunicorn-gthread", 100),
  ];
  const text = figures([makeResults({ throughput })]);
  assert.match(text, /\| Granian, 4 threads \| 40\.0 \(×1\.33\) \|/);
  assert.match(text, /1\.20 of ≤ 1\.00 \| \*\*not met\*\* \| 0\.30 of ≤ 0\.25 \| \*\*not met\*\*/);
});

test("shows ASGI under its own heading, with its own goals and servers", () => {
  const of = (page: string, server: string, cpuMicros: number): ThroughputResult => ({
    ...hello(server, cpuMicros),
    page,
  });
  const asgi = [
    of("raw-asgi-hello", "typhon", 44),
    of("raw-asgi-hello", "uvicorn", 40),
    of("raw-asgi-hello", "granian", 40),
    of("fastapi-hello", "typhon", 80),
    of("fastapi-hello", "uvicorn", 100),
    of("fastapi-hello", "granian", 100),
  ];
  const text = figures([makeResults({ throughput: [hello("typhon", 30)], asgi })]);
  const section = text.slice(text.indexOf("### ASGI"), text.indexOf("### WebSocket"));
  assert.match(section, /FastAPI at most 0\.85 of uvicorn's/);
  assert.match(section, /\| Granian \| 40\.0 \(×0\.91\) \| 100 \(×1\.25\) \|/);
  assert.match(
    section,
    /13 bytes, 1w \| 1\.10 of ≤ 1\.00 \| \*\*not met\*\* \| 1\.10 of ≤ 1\.20 \| met/,
  );
  assert.match(section, /JSON, 1w \| 0\.80 of ≤ 0\.85 \| met \| 0\.80 of ≤ 1\.00 \| met/);
  assert.doesNotMatch(section, /WSGI/);
});

test("shows files beside nginx and Granian, and what a compressed response weighs", () => {
  const of = (page: string, server: string, cpuMicros: number, bytesEach: number) => {
    const { rounds, ...rest } = hello(server, cpuMicros);
    return { ...rest, page, rounds: rounds.map((round) => ({ ...round, bytesEach })) };
  };
  const edge = [
    of("static-1k", "typhon", 15, 1200),
    of("static-1k", "nginx", 12, 1200),
    of("static-1k", "granian", 80, 1200),
    of("static-100k", "typhon", 30, 100_000),
    of("static-100k", "nginx", 30, 100_000),
    of("json-gzip", "typhon", 150, 1400),
    of("json-gzip", "peregrine", 100, 1800),
  ];
  const text = figures([makeResults({ edge })]);
  const section = text.slice(text.indexOf("### Edge"), text.indexOf("### Memory"));
  assert.match(
    section,
    /1 KB, 1w \| 1\.25 of ≤ 1\.00 \| \*\*not met\*\* \| 0\.19 of ≤ 0\.50 \| met/,
  );
  assert.match(section, /100 KB, 1w \| 1\.00 of ≤ 1\.30 \| met \| – \|  \|/);
  assert.match(section, /\| peregrine \| 1,800 \|/);
  assert.doesNotMatch(section, /JSON of 10 KB, gzip, 1w/);
});

test("takes results from before there were ASGI pages, and says what was missing", () => {
  const text = figures([makeResults({ throughput: [hello("typhon", 30)], missing: ["nginx"] })]);
  assert.match(text, /### ASGI\n\nNot measured yet/);
  assert.match(text, /Missing: nginx\./);
});

test("holds the mixed load's p99 against the best peer", () => {
  const row = (server: string, p99: number) => ({
    mix: "sleep" as const,
    workers: 2,
    load: 0.8,
    requestsPerSecond: 300,
    server,
    rounds: [{ sent: 9, failed: 0, p50: 1, p99, max: 200, lateness: 0, cpuMicros: 50, others: 0 }],
  });
  const mixed = [row("typhon", 20), row("granian", 100), row("nginx-gunicorn", 50)];
  assert.match(
    figures([makeResults({ mixed, capacity: [] })]),
    /p99 is 0\.40 of the best peer's.*met/,
  );
});

test("holds ASGI's mixed load against the best peer where it sleeps, against half of it where it computes", () => {
  const row = (mix: "sleep" | "cpu", server: string, p99: number) => ({
    mix,
    workers: 2,
    load: 0.8,
    requestsPerSecond: 300,
    server,
    rounds: [{ sent: 9, failed: 0, p50: 1, p99, max: 200, lateness: 0, cpuMicros: 50, others: 0 }],
  });
  const rows = [["typhon", 9] as const, ["granian", 20] as const, ["uvicorn", 10] as const];
  const mixed = (["sleep", "cpu"] as const).flatMap((mix) =>
    rows.map(([server, p99]) => row(mix, server, p99)),
  );
  const text = figures([makeResults({ "asgi-mixed": { capacity: [], mixed } })]);
  const section = text.slice(text.indexOf("### Mixed load, ASGI"));
  assert.match(section, /p99 is 0\.90 of the best peer's, goal 1: met/);
  assert.match(section, /p99 is 0\.90 of the best peer's, goal 0\.5: \*\*not met/);
});

test("replaces only what stands between the marks", () => {
  const text = "A\n<!-- figures: rendered by render.ts -->\nold\n<!-- end of figures -->\nB\n";
  const placed = placeFigures(text, "new\n");
  assert.ok(placed.startsWith("A\n") && placed.endsWith("B\n"));
  assert.ok(placed.includes("new") && !placed.includes("old"));
  assert.equal(placeFigures(placed, "new\n"), placed);
  assert.throws(() => placeFigures("A", "new"), /marks/);
});

test("writes three significant figures", () => {
  assert.deepEqual([0.05, 1.234, 45.67, 789.4, 12_345, Number.NaN].map(figure), [
    "0.0500",
    "1.23",
    "45.7",
    "789",
    "12,300",
    "–",
  ]);
});
