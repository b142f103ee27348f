// Measures Typhon beside its peers, all in one go, and keeps what comes of it: JSON in results/ and
// the tables of README.md. tools/bench.sh has brought the peers. Whatever ends this program but
// SIGKILL ends every server, client and wrk that it started.

import { accessSync, constants } from "node:fs";
import { readArguments, UsageError, USAGE, type Arguments } from "./arguments.ts";
import { CASES } from "./cases.ts";
import { describeMachine } from "./machine.ts";
import { measureConnections, measureMemory } from "./memory.ts";
import { measureMixed } from "./mixed.ts";
import { RESULTS, SCRATCH_RESULTS, TYPHON } from "./places.ts";
import { killAllPrograms, runProgram } from "./program.ts";
import { renderReadme, renderTables } from "./render.ts";
import { saveResults, type Results, type Suite } from "./results.ts";
import { killAllServers } from "./server-process.ts";
import { SERVERS, type Server } from "./servers.ts";
import { measureStartup } from "./startup.ts";
import { measureThroughput } from "./throughput.ts";

/** Of one run with wrk; short, because rounds count for more than length. */
const SECONDS = 3;
/** Of one run of mixed load: some hundred rare requests have to be seen. */
const MIXED_SECONDS = 6;
/** Memory varies little from start to start. */
const MEMORY_ROUNDS = 3;
const IDLE_CONNECTIONS = 10_000;

function tell(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

/** Measures the asked suites one by one; hands over what there is after each of them. */
async function measure(
  args: Arguments,
  servers: readonly Server[],
  begun: Results,
  onSuite: (results: Results) => void,
): Promise<Results> {
  const of = (suite: Suite): Server[] => servers.filter((one) => one.suites.includes(suite));
  const { rounds } = args;
  const common = { workers: args.workers ?? [1, 2], rounds, seconds: begun.seconds, tell };
  const standing = {
    ...common,
    rounds: Math.min(rounds, MEMORY_ROUNDS),
    connections: IDLE_CONNECTIONS,
  };
  const mixed = {
    ...common,
    workers: args.workers ?? [2, 4],
    seconds: args.seconds ?? MIXED_SECONDS,
  };
  const pages = CASES.filter((one) => args.only.includes(one.name));
  const suites: Readonly<Record<Suite, () => Promise<Partial<Results>>>> = {
    throughput: async () => ({
      throughput: await measureThroughput({ ...common, pages, servers: of("throughput") }),
    }),
    memory: async () => ({ memory: await measureMemory({ ...standing, servers: of("memory") }) }),
    connections: async () => ({
      connections: await measureConnections({ ...standing, servers: of("connections") }),
    }),
    startup: async () => ({
      startup: await measureStartup({ ...common, servers: of("startup") }),
    }),
    mixed: () => measureMixed({ ...mixed, servers: of("mixed") }),
  };
  const results = { ...begun };
  for (const suite of args.suites) {
    Object.assign(results, await suites[suite]());
    onSuite(results);
  }
  return results;
}

async function begin(args: Arguments, missing: readonly string[]): Promise<Results> {
  return {
    date: new Date().toISOString(),
    isWhole: args.isWhole && missing.length === 0,
    rounds: args.rounds,
    seconds: args.seconds ?? SECONDS,
    machine: await describeMachine(),
    missing,
    throughput: null,
    memory: null,
    connections: null,
    startup: null,
    capacity: null,
    mixed: null,
  };
}

/** Typhon is missing in a checkout that has not been built; the others come with tools/bench.sh. */
async function isUsable(server: Server): Promise<boolean> {
  if (server.name !== "typhon") return true;
  try {
    accessSync(TYPHON, constants.X_OK);
    await runProgram(TYPHON, ["--version"]);
    return true;
  } catch (error) {
    tell(`typhon is left out: ${error instanceof Error ? error.message.trim() : String(error)}`);
    return false;
  }
}

async function main(): Promise<void> {
  const args = readArguments(process.argv.slice(2));
  if (args === null) {
    process.stdout.write(USAGE);
    return;
  }
  const servers: Server[] = [];
  const missing: string[] = [];
  for (const server of SERVERS.filter((one) => args.servers.includes(one.name))) {
    if (await isUsable(server)) servers.push(server);
    else missing.push(server.name);
  }
  // What a later failure must not take along is in the scratch folder after each suite.
  const keepScratch = (results: Results): string => saveResults(SCRATCH_RESULTS, results);
  const results = await measure(args, servers, await begin(args, missing), keepScratch);
  const isKept = results.isWhole || args.isKept;
  const path = isKept ? saveResults(RESULTS, results) : keepScratch(results);
  process.stdout.write(`${renderTables(results)}\n`);
  if (isKept) renderReadme();
  tell(`written: ${path}${isKept ? " and benchmarks/README.md" : " (a narrowed run: not kept)"}`);
}

function endEverything(): void {
  killAllPrograms();
  killAllServers();
}

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const) {
  process.once(signal, () => {
    endEverything();
    process.exit(128 + number);
  });
}
process.on("exit", endEverything);

try {
  await main();
} catch (error) {
  endEverything();
  const isUsage = error instanceof UsageError;
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(isUsage ? 2 : 1);
}
