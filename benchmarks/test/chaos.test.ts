// The command line of npm run chaos, that every promise has what shows it, and the page of faults.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { UsageError } from "../arguments.ts";
import { readChaosArguments } from "../chaos/arguments.ts";
import { CHAPTERS, trialsOf } from "../chaos/chapters.ts";
import { faultsPage } from "../chaos/faults-page.ts";
import type { ChaosResults } from "../chaos/outcomes.ts";
import { APP_NAMES } from "../chaos/trial.ts";
import { TRIALS } from "../chaos/trials.ts";
import { ROOT } from "../places.ts";

test("every trial stands in one chapter, and every name there is a trial or a test", () => {
  const named = CHAPTERS.flatMap(trialsOf);
  assert.deepEqual(named.toSorted(), TRIALS.map(({ name }) => name).toSorted());
  for (const name of CHAPTERS.flatMap(({ sentences }) => sentences.flatMap((one) => one.shownBy)))
    if (name.endsWith(".ts")) assert(existsSync(join(ROOT, "test", name)), name);
});

function isTest(name: string): boolean {
  return /\.(ts|py)$/.test(name) && ["test", "."].some((at) => existsSync(join(ROOT, at, name)));
}

function isTrial(name: string): boolean {
  return TRIALS.some((trial) => trial.name === name);
}

test("each promise of SECURITY.md names tests and trials that exist", () => {
  const rows = readFileSync(join(ROOT, "SECURITY.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| Typhon promises"));
  assert(rows.length > 10);
  for (const row of rows) {
    const proofs = row.split("|").at(-2) ?? "";
    const names = [...proofs.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    assert(names.length > 0, row);
    for (const name of names) assert(isTest(name) || isTrial(name), name);
  }
});

test("npm test shows every promise, by a test of its own or by a trial of the short form", () => {
  const isShort = (name: string): boolean =>
    TRIALS.some((trial) => trial.name === name && (trial.short ?? []).length > 0);
  for (const { text, shownBy } of CHAPTERS.flatMap(({ sentences }) => sentences))
    assert(
      shownBy.some((name) => name.endsWith(".ts") || isShort(name)),
      text,
    );
});

test("every trial says why it is not done to all servers, and its short form uses its applications", () => {
  for (const { name, servers, whyNot, apps, short } of TRIALS) {
    if (servers.length < 4) assert.notEqual(whyNot, "", name);
    for (const app of short ?? []) assert(apps.includes(app), `${name}: ${app}`);
  }
});

test("runs all applications with all servers only where it is asked to", () => {
  assert.deepEqual(readChaosArguments([])?.apps, APP_NAMES);
  assert.deepEqual(readChaosArguments([])?.servers, ["typhon"]);
  assert.equal(readChaosArguments([])?.lanes, 2);
  assert.equal(readChaosArguments(["--short"])?.apps, null);
  assert.equal(readChaosArguments(["--full"])?.size, "full");
  assert.equal(readChaosArguments(["--peers"])?.servers.length, 5);
  assert.deepEqual(readChaosArguments(["--only", "tokens"])?.only, ["tokens"]);
  assert.equal(readChaosArguments(["--only", "tokens"])?.isWhole, false);
  assert.throws(() => readChaosArguments(["--only", "toekns"]), UsageError);
  assert.throws(() => readChaosArguments(["--short", "--full"]), UsageError);
});

test("renders the page from results alone", () => {
  const row = {
    trial: "crash.kill",
    promise: "",
    server: "typhon",
    app: "asgi",
    size: "whole",
    did: "5 deaths",
    figures: [{ label: "latest 502", value: 12.34, unit: "ms" }],
    faults: [],
    seconds: 3,
  } as const;
  const results: ChaosResults = {
    date: "2026-01-02T03:04:05.678Z",
    machine: {
      cores: 2,
      processor: "a processor",
      memoryBytes: 2 ** 33,
      system: "a system",
      kernel: "6.1",
      versions: { typhon: "0.1.0" },
    },
    isWhole: true,
    seed: 7,
    size: "whole",
    rounds: 1,
    seconds: 100,
    missing: [],
    throughput: null,
    memory: null,
    connections: null,
    startup: null,
    capacity: null,
    mixed: null,
    chaos: [
      { ...row, outcome: "held" },
      { ...row, server: "granian", app: "raw", outcome: "broken", faults: ["a | b", "a | b"] },
    ],
  };
  const page = faultsPage([results]);
  assert.match(page, /\n## 2\. Crash\n/);
  assert.match(page, /\| `crash\.kill`: [^|]+ \| held \| \*\*broken\*\* \|\n/);
  assert.match(
    page,
    /\| `crash\.kill` \| Typhon, ASGI \| 5 deaths \| held \| latest 502 12 ms \|\n/,
  );
  assert.match(page, /\*\*broken\*\*: a \\\| b \(2 ×\)/);
  assert.match(page, /8 GiB, a system, Linux 6\.1; typhon 0\.1\.0/);
  assert.match(page, /\n## 10\. Never another client's response\n[^]*Not in this run\./);
  // What was done again counts as it was the last time.
  const again = { ...results, chaos: [{ ...row, outcome: "broken", did: "7 deaths" } as const] };
  const both = faultsPage([results, again]);
  assert.match(both, /\| `crash\.kill`: [^|]+ \| \*\*broken\*\* \| \*\*broken\*\* \|\n/);
  assert.doesNotMatch(both, /Typhon, ASGI \| 5 deaths/);
  assert.match(both, /7 deaths/);
});
