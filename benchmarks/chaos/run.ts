// npm run chaos: does faults to the servers, promise by promise, and prints each outcome as it comes. Exit
// code 1 if a promise of Typhon is broken; broken promises of peers are only printed. Any end of this
// program but SIGKILL ends every server that it has started.

import { availableParallelism } from "node:os";

import { UsageError } from "../arguments.ts";
import { describeMachine } from "../machine.ts";
import { readChaosArguments, USAGE, type ChaosArguments } from "./arguments.ts";
import { renderFaultsPage } from "./faults-page.ts";
import { saveOutcomes, tellFaults, tellFigure, type Row } from "./outcomes.ts";
import { runTrial, type TrialRun } from "./run-trial.ts";
import { Subject } from "./subject.ts";
import { transport, useTransport } from "./transport.ts";
import { serversOf, type AppName, type Trial } from "./trial.ts";
import { TRIALS } from "./trials.ts";

const MAX_FAULTS = 6;

interface Job {
  readonly trial: Trial;
  readonly run: TrialRun;
}

/** The trials that are asked for, in their order. */
function listJobs(args: ChaosArguments): Job[] {
  const { size, requests, seed } = args;
  const jobs: Job[] = [];
  for (const trial of TRIALS.filter(({ name }) => args.only.includes(name))) {
    for (const app of appsOf(trial, args)) {
      for (const server of serversOf(trial, app).filter((name) => args.servers.includes(name))) {
        const run = {
          server,
          app,
          // Trials of peers wait for much that never comes: the small counts are long enough.
          size: server === "typhon" ? size : "short",
          isTimed: size !== "short",
          requests,
          seed,
        } as const;
        jobs.push({ trial, run });
      }
    }
  }
  return args.lanes === 1 ? jobs : jobs.toSorted((a, b) => slownessOf(b) - slownessOf(a));
}

function slownessOf({ trial }: Job): number {
  return trial.isSlow === true ? 1 : 0;
}

function appsOf({ apps, short = [] }: Trial, args: ChaosArguments): readonly AppName[] {
  if (args.apps === null) return short;
  return apps.filter((name) => args.apps?.includes(name));
}

/** Does the jobs, `lanes` at a time; returns rows in the order of the jobs. */
async function runAll(jobs: readonly Job[], lanes: number): Promise<Row[]> {
  const rows = new Map<Job, Row>();
  const left = [...jobs];
  const work = async (): Promise<void> => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) {
      const row = await runTrial(job.trial, job.run);
      show(row);
      rows.set(job, row);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  return jobs.flatMap((job) => rows.get(job) ?? []);
}

function show(row: Row): void {
  const over = transport() === "http" ? "" : ` over ${transport()}`;
  const who = `${row.server}${row.app === "raw" ? "" : ` ${row.app}`}${over}`;
  const figures = row.figures.map(tellFigure).join(", ");
  const done = [row.did, figures].filter((text) => text !== "").join("; ");
  const cells = [row.outcome.padEnd(9), row.trial.padEnd(21), who.padEnd(16)];
  process.stdout.write(`${cells.join(" ")} ${done} (${row.seconds.toFixed(1)} s)\n`);
  if (row.outcome === "held") return;
  for (const fault of tellFaults(row.faults, MAX_FAULTS))
    process.stdout.write(`          - ${fault.replaceAll("\n", "\n            ")}\n`);
}

/** How many rows of Typhon have each outcome; true if none is broken. */
function conclude(rows: readonly Row[], seconds: number): boolean {
  const own = rows.filter(({ server }) => server === "typhon");
  const of = (outcome: string): number => own.filter((row) => row.outcome === outcome).length;
  const others = ["not built", "not possible here"].filter((outcome) => of(outcome) > 0);
  const rest = others.map((outcome) => `, ${of(outcome)} ${outcome}`).join("");
  const time = `${seconds.toFixed(0)} s on ${availableParallelism()} cores`;
  process.stdout.write(`Typhon: ${of("held")} held, ${of("broken")} broken${rest}; ${time}\n`);
  return of("broken") === 0;
}

async function main(): Promise<number> {
  const args = readChaosArguments(process.argv.slice(2));
  if (args === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (args.render !== null) {
    renderFaultsPage(args.render);
    return 0;
  }
  useTransport(args.over);
  const date = new Date().toISOString();
  const since = performance.now();
  const chaos = await runAll(listJobs(args), args.lanes);
  const seconds = (performance.now() - since) / 1000;
  const isFine = conclude(chaos, seconds);
  if (args.isKept) {
    const { isWhole, seed, size } = args;
    const machine = await describeMachine();
    const path = saveOutcomes({ date, isWhole, seed, size, seconds, machine, chaos });
    renderFaultsPage([path]);
    process.stdout.write(`written: ${path} and docs/faults.md\n`);
  }
  return isFine ? 0 : 1;
}

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const) {
  process.once(signal, () => {
    Subject.killAll();
    process.exit(128 + number);
  });
}
// Each trial that runs undoes what it has made, also if the whole run is broken off.
process.setMaxListeners(100);
process.on("exit", () => Subject.killAll());

try {
  process.exit(await main());
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(isUsage ? 2 : 1);
}
