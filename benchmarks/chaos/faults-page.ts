// Renders docs/faults.md from the results of kept runs: for each promise the fault, the outcome for each
// server, and how to repeat the trial.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "../places.ts";
import { ASGI_SERVERS } from "../asgi-servers.ts";
import { SERVERS } from "../servers.ts";
import { CHAPTERS, trialsOf, type Chapter } from "./chapters.ts";
import { loadOutcomes, tellFaults, tellFigure, type ChaosResults, type Row } from "./outcomes.ts";
import {
  APP_NAMES,
  isAsync,
  isPlain,
  SERVER_NAMES,
  serversOf,
  speaks,
  type AppName,
  type ServerName,
  type Trial,
} from "./trial.ts";
import { TRIALS } from "./trials.ts";

const MAX_FAULTS = 3;

const APP_TITLES: Readonly<Record<AppName, string>> = {
  raw: "WSGI",
  flask: "Flask",
  asgi: "ASGI",
  fastapi: "FastAPI",
};

interface Column {
  readonly server: ServerName;
  readonly app: AppName;
  readonly title: string;
}

/** Typhon with each application, the others with the plain ones that they serve. */
const COLUMNS: readonly Column[] = SERVER_NAMES.flatMap((server) =>
  APP_NAMES.filter((app) => speaks(server, app) && (server === "typhon" || isPlain(app))).map(
    (app) => ({ server, app, title: `${titleOf(server, app)}, ${APP_TITLES[app]}` }),
  ),
);

/** Renders docs/faults.md from the results in `paths`; rows of a later run replace those of an earlier one. */
export function renderFaultsPage(paths: readonly string[]): void {
  const runs = paths.map(loadOutcomes);
  writeFileSync(join(ROOT, "docs", "faults.md"), faultsPage(runs));
}

/** The whole page. */
export function faultsPage(runs: readonly ChaosResults[]): string {
  const rows = runs.toReversed().flatMap(({ chaos }) => chaos);
  const columns = COLUMNS.filter(({ server, app }) =>
    rows.some((row) => row.server === server && row.app === app),
  );
  const parts = [
    `# Faults\n`,
    `Faults that were caused in Typhon and in other servers under load, and what happened to the requests. \`npm run chaos -- --peers --keep\` makes this page; [lifecycle.md](lifecycle.md) describes what Typhon promises.\n`,
    `<!-- not run: it takes minutes -->
\`\`\`
npm run chaos                              all trials, a quarter of an hour
npm run chaos -- --short                   a part of npm test: promises that no end-to-end test shows, small numbers, trials in parallel
npm run chaos -- --full                    the full numbers of every promise: longer
npm run chaos -- --only crash,reload.load  some trials
npm run chaos -- --apps asgi,fastapi       some applications
npm run chaos -- --peers --keep            the other servers as well; writes this page
npm run chaos -- --only tokens --requests 1000000 --seed 7
npm run chaos -- --render FILE,FILE        writes this page again from benchmarks/results/…-chaos.json; rows of a later file replace earlier ones
\`\`\`\n`,
    `The exit code is 1 if a promise of Typhon is broken. The short run checks only outcomes and their order; all other runs also check the times. The complete results are in \`benchmarks/results/*-chaos.json\`.\n`,
    ...runs.map((run) => `${describeRun(run)}\n`),
    `All servers: 2 workers with 4 threads unless said otherwise (Typhon under ASGI: \`--concurrency 4\`), with the settings of the benchmarks (\`benchmarks/servers.ts\`, \`asgi-servers.ts\`); Granian with \`--respawn-failed-workers\`. "Held" and "broken" refer to the same promise for every server, although only Typhon makes these promises. A dash (—) is explained below its table. The other servers are tested with the numbers of the short run.\n`,
    ...CHAPTERS.map((chapter, at) => chapterPart(at + 1, chapter, columns, rows)),
  ];
  return `${parts.join("\n").trimEnd()}\n`;
}

function chapterPart(
  number: number,
  chapter: Chapter,
  columns: readonly Column[],
  rows: readonly Row[],
): string {
  const trials = trialsOf(chapter).flatMap((name) => TRIALS.find((one) => one.name === name) ?? []);
  const own = trials.filter(({ name }) => rows.some(({ trial }) => trial === name));
  const shown = columns.filter(({ server, app }) =>
    own.some(({ name }) => find(rows, name, server, app) !== undefined),
  );
  const promises = own.map((trial) => [
    `\`${trial.name}\`: ${escapeCell(trial.promise)}`,
    ...shown.map((column) => cellOf(rows, trial, column)),
  ]);
  const done = own.flatMap(({ name }) =>
    columns.flatMap((column) => {
      const row = find(rows, name, column.server, column.app);
      return row === undefined ? [] : [lineOf(row, column)];
    }),
  );
  const parts = [`## ${number}. ${chapter.title}\n`, `${chapter.words}\n`, sentenceList(chapter)];
  if (own.length === 0) return [...parts, "Not in this run.\n"].join("\n");
  return [
    ...parts,
    table(["Promise", ...shown.map(({ title }) => title)], promises),
    reasonList(own, shown),
    table(["Trial", "Server", "Done", "Outcome", "Figures"], done),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function sentenceList({ sentences }: Chapter): string {
  return sentences
    .map(({ text, shownBy }) => {
      const names = shownBy.map((name) => `\`${name.endsWith(".ts") ? `test/${name}` : name}\``);
      return `- ${text}: ${names.join(", ")}\n`;
    })
    .join("");
}

/** Why a column of the table has a dash. */
function reasonList(trials: readonly Trial[], columns: readonly Column[]): string {
  const lines = trials.flatMap((trial) => {
    const isAskedOfAll = columns.every(({ server, app }) => serversOf(trial, app).includes(server));
    const parts = isAskedOfAll ? [] : [trial.whyNot];
    const isLeftOut = (app: AppName): boolean =>
      columns.some((column) => column.app === app) && !trial.apps.includes(app);
    const missing = APP_NAMES.filter(isLeftOut).map((app) => APP_TITLES[app]);
    if (missing.length > 0) parts.push(`not done with ${missing.join(", ")}`);
    return parts.length === 0 ? [] : [`- — \`${trial.name}\`: ${parts.join("; ")}\n`];
  });
  return lines.join("");
}

function cellOf(rows: readonly Row[], { name }: Trial, { server, app }: Column): string {
  const row = find(rows, name, server, app);
  return row === undefined ? "—" : wordOf(row);
}

function lineOf(row: Row, { title }: Column): string[] {
  const faults = tellFaults(row.faults, MAX_FAULTS).map(escapeCell).join("; ");
  const word = wordOf(row);
  return [
    `\`${row.trial}\``,
    title,
    escapeCell(row.did),
    row.outcome === "held" || faults === "" ? word : `${word}: ${faults}`,
    row.figures.map(tellFigure).join(", "),
  ];
}

function wordOf({ outcome }: Row): string {
  return outcome === "broken" ? "**broken**" : outcome;
}

function find(rows: readonly Row[], trial: string, server: string, app: string): Row | undefined {
  return rows.find((row) => row.trial === trial && row.app === app && row.server === server);
}

function titleOf(server: ServerName, app: AppName): string {
  const known = isAsync(app) ? ASGI_SERVERS : SERVERS;
  return known.find(({ name }) => name === server)?.title ?? server;
}

function describeRun(run: ChaosResults): string {
  const minutes = Math.ceil(run.seconds / 60);
  const narrowed = run.isWhole ? "" : " **A narrowed run.**";
  return `${run.date.slice(0, 16).replace("T", " ")}, ${run.size} run of ${minutes} min, seed ${run.seed}; ${describe(run)}.${narrowed}`;
}

function describe({ machine }: ChaosResults): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const memory = Math.round(machine.memoryBytes / 2 ** 30);
  return `${machine.cores} cores (${machine.processor}), ${memory} GiB, ${machine.system}, Linux ${machine.kernel}; ${versions.join(", ")}`;
}

/** What a server has printed must not end a cell or a row. */
function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").slice(0, 300);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |\n`)
    .join("");
}
