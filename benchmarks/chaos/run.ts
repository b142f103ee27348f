// npm run chaos: does to the servers what must not harm them, promise by promise, and shows what came of
// it as it goes. Exit code 1 if a promise of Typhon is broken; what peers break is only shown. Whatever
// ends this program but SIGKILL ends every server that it has started.

import { UsageError } from "../arguments.ts";
import { describeMachine } from "../machine.ts";
import { readChaosArguments, USAGE, type ChaosArguments } from "./arguments.ts";
import { renderFaultsPage } from "./faults-page.ts";
import { saveOutcomes, tellFaults, tellFigure, type Row } from "./outcomes.ts";
import { runTrial } from "./run-trial.ts";
import { Subject } from "./subject.ts";
import { TRIALS } from "./trials.ts";

const MAX_FAULTS = 6;

async function runAll(args: ChaosArguments): Promise<Row[]> {
  const rows: Row[] = [];
  for (const trial of TRIALS.filter(({ name }) => args.only.includes(name))) {
    for (const app of trial.apps.filter((name) => args.apps.includes(name))) {
      for (const server of trial.servers.filter((name) => args.servers.includes(name))) {
        // The framework stands between Typhon and the fault; the peers are there to compare servers.
        if (app !== "raw" && server !== "typhon") continue;
        const { requests, seed } = args;
        // Their waits for what never comes are long enough.
        const isShort = args.isShort || server !== "typhon";
        const row = await runTrial(trial, { server, app, isShort, requests, seed });
        show(row);
        rows.push(row);
      }
    }
  }
  return rows;
}

function show(row: Row): void {
  const who = `${row.server}${row.app === "raw" ? "" : ` ${row.app}`}`;
  const figures = row.figures.map(tellFigure).join(", ");
  const done = [row.did, figures].filter((text) => text !== "").join("; ");
  const cells = [row.outcome.padEnd(9), row.trial.padEnd(20), who.padEnd(16)];
  process.stdout.write(`${cells.join(" ")} ${done} (${row.seconds.toFixed(1)} s)\n`);
  if (row.outcome === "held") return;
  for (const fault of tellFaults(row.faults, MAX_FAULTS))
    process.stdout.write(`          - ${fault.replaceAll("\n", "\n            ")}\n`);
}

/** How many rows of Typhon have each outcome; true if none is broken. */
function conclude(rows: readonly Row[]): boolean {
  const own = rows.filter(({ server }) => server === "typhon");
  const of = (outcome: string): number => own.filter((row) => row.outcome === outcome).length;
  const others = ["not built", "not possible here"].filter((outcome) => of(outcome) > 0);
  const rest = others.map((outcome) => `, ${of(outcome)} ${outcome}`).join("");
  process.stdout.write(`Typhon: ${of("held")} held, ${of("broken")} broken${rest}\n`);
  return of("broken") === 0;
}

async function main(): Promise<number> {
  const args = readChaosArguments(process.argv.slice(2));
  if (args === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const date = new Date().toISOString();
  const chaos = await runAll(args);
  const isFine = conclude(chaos);
  if (args.isKept) {
    const { isWhole, seed } = args;
    const path = saveOutcomes({ date, isWhole, seed, machine: await describeMachine(), chaos });
    renderFaultsPage();
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
process.on("exit", () => Subject.killAll());

try {
  process.exit(await main());
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(isUsage ? 2 : 1);
}
