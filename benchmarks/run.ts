// Measures Typhon beside other servers, or with --against beside another revision of itself, all in one
// run, and keeps the figures: JSON in results/ and the tables of README.md. tools/bench.sh has installed
// the other servers. Whatever ends this program but SIGKILL ends every server and client of it as well.

import { accessSync, constants } from "node:fs";
import { basename, join } from "node:path";
import {
  readArguments,
  readComparison,
  SECONDS,
  USAGE,
  UsageError,
  type Arguments,
  type ComparisonArguments,
} from "./arguments.ts";
import { ASGI_SERVERS, NEEDED_MODULES } from "./asgi-servers.ts";
import { ASGI_CASES, CASES, WEBSOCKET_CASES } from "./cases.ts";
import { askCgi, CGI_CASES } from "./cgi-cases.ts";
import { CGI_COMMANDS, CGI_SERVERS } from "./cgi-servers.ts";
import { compare } from "./comparison.ts";
import { CpuGroup } from "./cpu-group.ts";
import { askEdge, EDGE_CASES, makeFiles } from "./edge-cases.ts";
import { EDGE_SERVERS, NEEDED_COMMANDS } from "./edge-servers.ts";
import { askSecure, SECURE_CASES } from "./secure-cases.ts";
import { SECURE_SERVERS } from "./secure-servers.ts";
import { describeMachine } from "./machine.ts";
import { measureConnections, measureMemory } from "./memory.ts";
import { measureMixed } from "./mixed.ts";
import { RESULTS, SCRATCH_RESULTS, TYPHON, VENV_BIN } from "./places.ts";
import { killAllPrograms, runProgram } from "./program.ts";
import { renderReadme, renderTables } from "./render.ts";
import {
  saveComparison,
  saveResults,
  type ConnectionsResult,
  type Results,
  type Suite,
} from "./results.ts";
import { killAllServers } from "./server-process.ts";
import { SERVERS, type Server } from "./servers.ts";
import { measureStartup, STANDARD_LIBRARY } from "./startup.ts";
import { comparisonTables } from "./tables/comparison.ts";
import { askByWrk, measureThroughput } from "./throughput.ts";
import { echoMessages, findWebSocketFault, hasWebSocketClient } from "./websocket.ts";

/** Of one run of mixed load: long enough for some hundred slow requests. */
const MIXED_SECONDS = 6;
/** A connection costs less where there are many: fixed buffers, and rounding of the allocator. */
const IDLE_TLS_CONNECTIONS = [1000, 10_000];
/** Memory varies little from start to start. */
const MEMORY_ROUNDS = 3;

function tell(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

/** The servers that can be measured, by interface, and the reasons why others cannot. */
interface Field {
  readonly wsgi: readonly Server[];
  readonly asgi: readonly Server[];
  readonly websocket: readonly Server[];
  readonly edge: readonly Server[];
  readonly secure: readonly Server[];
  readonly cgi: readonly Server[];
  readonly missing: readonly string[];
}

/** Measures the suites one by one; `onSuite` gets all results so far after each of them. */
async function measure(
  args: Arguments,
  field: Field,
  begun: Results,
  onSuite: (results: Results) => void,
): Promise<Results> {
  const of = (suite: Suite): Server[] => field.wsgi.filter((one) => one.suites.includes(suite));
  const { rounds } = args;
  const common = { workers: args.workers ?? [1, 2], rounds, seconds: begun.seconds, tell };
  const standing = { ...common, rounds: Math.min(rounds, MEMORY_ROUNDS) };
  const mixed = {
    ...common,
    workers: args.workers ?? [2, 4],
    seconds: args.seconds ?? MIXED_SECONDS,
  };
  const isAsked = (page: { readonly name: string }): boolean => args.only.includes(page.name);
  const plain = { ...common, apply: askByWrk };
  const suites: Readonly<Record<Suite, () => Promise<Partial<Results>>>> = {
    throughput: async () => ({
      throughput: await measureThroughput({
        ...plain,
        pages: CASES.filter(isAsked),
        servers: of("throughput"),
      }),
    }),
    asgi: async () => ({
      asgi: await measureThroughput({
        ...plain,
        pages: ASGI_CASES.filter(isAsked),
        servers: field.asgi,
      }),
    }),
    websocket: async () => ({
      websocket: await measureThroughput({
        ...common,
        apply: (load) => echoMessages(load),
        pages: WEBSOCKET_CASES.filter(isAsked),
        servers: field.websocket,
      }),
    }),
    edge: async () => {
      const pages = EDGE_CASES.filter(isAsked);
      if (pages.length > 0) makeFiles();
      const plan = { ...common, workers: args.workers ?? [1] };
      const files = await measureThroughput({
        ...plan,
        apply: askEdge,
        pages,
        servers: field.edge,
      });
      const overTls = await measureThroughput({
        ...plan,
        apply: askSecure,
        pages: SECURE_CASES.filter(isAsked),
        servers: field.secure,
      });
      const tlsConnections: ConnectionsResult[] = [];
      // With only some pages asked for, no memory is.
      for (const count of args.isPagewise ? [] : IDLE_TLS_CONNECTIONS) {
        const idle = { ...standing, servers: field.secure };
        tlsConnections.push(...(await measureConnections(idle, { count, isSecure: true })));
      }
      return { edge: [...files, ...overTls], tlsConnections };
    },
    cgi: async () => ({
      cgi: await measureThroughput({
        ...common,
        workers: [1],
        apply: askCgi,
        pages: CGI_CASES.filter(isAsked),
        servers: field.cgi,
      }),
    }),
    memory: async () => ({ memory: await measureMemory({ ...standing, servers: of("memory") }) }),
    connections: async () => ({
      connections: await measureConnections({ ...standing, servers: of("connections") }),
    }),
    startup: async () => ({
      startup: await measureStartup({
        ...common,
        page: STANDARD_LIBRARY,
        servers: of("startup"),
      }),
    }),
    mixed: () => measureMixed({ ...mixed, servers: of("mixed") }),
    "asgi-mixed": async () => ({
      "asgi-mixed": await measureMixed({ ...mixed, servers: field.asgi }),
    }),
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
    asgi: null,
    websocket: null,
    edge: null,
    cgi: null,
    memory: null,
    connections: null,
    startup: null,
    capacity: null,
    mixed: null,
    "asgi-mixed": null,
  };
}

/** Why a server cannot be measured, or null. tools/bench.sh has installed all but Typhon itself. */
async function findFault({ name, isGrouped }: Server): Promise<string | null> {
  const needed = NEEDED_MODULES[name];
  const command = NEEDED_COMMANDS[name] ?? CGI_COMMANDS[name];
  if (isGrouped === true && !mayGroup()) return "a control group for its processor time needs root";
  try {
    if (command !== undefined) await runProgram("sh", ["-c", `command -v "$1"`, "sh", command]);
    if (needed !== undefined)
      await runProgram(join(VENV_BIN, "python"), ["-c", `import ${needed}`]);
    if (name !== "typhon") return null;
    accessSync(TYPHON, constants.X_OK);
    await runProgram(TYPHON, ["--version"]);
    return null;
  } catch (error) {
    if (command !== undefined) return `no command ${basename(command)}`;
    if (needed !== undefined) return `no Python module ${needed}`;
    return (error instanceof Error ? error.message.trim() : String(error)).split("\n", 1)[0] ?? "";
  }
}

function mayGroup(): boolean {
  const group = CpuGroup.make();
  group?.remove();
  return group !== null;
}

/** Looks for everything that the suites need; tells of each server that is left out. */
async function survey(args: Arguments): Promise<Field> {
  // A set, because Typhon is in all lists and would be named again.
  const missing = new Set<string>();
  const usable = async (
    list: readonly Server[],
    check: (server: Server) => Promise<string | null>,
    where: string,
  ): Promise<Server[]> => {
    const chosen: Server[] = [];
    for (const server of list) {
      const fault = await check(server);
      if (fault === null) chosen.push(server);
      else missing.add(`${server.name}${where}: ${fault}`);
    }
    return chosen;
  };
  const isAsked = (server: Server): boolean =>
    args.servers.includes(server.name) && server.suites.some((one) => args.suites.includes(one));
  const wsgi = await usable(SERVERS.filter(isAsked), findFault, "");
  const edge = await usable(EDGE_SERVERS.filter(isAsked), findFault, "");
  const secure = await usable(SECURE_SERVERS.filter(isAsked), findFault, "");
  const cgi = await usable(CGI_SERVERS.filter(isAsked), findFault, "");
  const asked = await usable(ASGI_SERVERS.filter(isAsked), findFault, "");
  let websocket: Server[] = [];
  if (args.suites.includes("websocket") && hasWebSocketClient()) {
    const speaking = asked.filter((server) => server.suites.includes("websocket"));
    websocket = await usable(speaking, findWebSocketFault, ", WebSocket");
  } else if (args.suites.includes("websocket")) {
    missing.add("WebSocket echo: the npm package ws, which its clients need, is not installed");
  }
  for (const one of missing) tell(`left out: ${one}`);
  const asgi = asked.filter((one) => one.suites.includes("asgi"));
  return { wsgi, asgi, websocket, edge, secure, cgi, missing: [...missing] };
}

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  if (words.includes("--help") || words.includes("-h")) {
    process.stdout.write(USAGE);
    return;
  }
  const comparison = readComparison(words);
  if (comparison === null) await measureAndPrint(readArguments(words));
  else await compareAndPrint(comparison);
}

async function compareAndPrint(args: ComparisonArguments): Promise<void> {
  const comparison = await compare(args, tell);
  const path = saveComparison(args.isKept ? RESULTS : SCRATCH_RESULTS, comparison);
  process.stdout.write(`${comparisonTables(comparison)}\n`);
  tell(`written: ${path}`);
}

async function measureAndPrint(args: Arguments): Promise<void> {
  const field = await survey(args);
  // Saved after each suite, so that a failure in a later one loses nothing.
  const keepScratch = (results: Results): string => saveResults(SCRATCH_RESULTS, results);
  const results = await measure(args, field, await begin(args, field.missing), keepScratch);
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
