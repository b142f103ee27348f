// docs/faults.md, made from the newest kept run: what was done to the servers, what came of it, and how to
// do it again. Run alone, it renders the page again.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "../places.ts";
import { SERVERS } from "../servers.ts";
import { groupOf } from "./arguments.ts";
import {
  loadNewestOutcomes,
  tellFaults,
  tellFigure,
  type ChaosResults,
  type Row,
} from "./outcomes.ts";
import { SERVER_NAMES } from "./trial.ts";
import { TRIALS } from "./trials.ts";

const MAX_FAULTS = 3;

/** What is done in each group of trials, for whoever reads the tables. */
const GROUP_WORDS: Readonly<Record<string, readonly [title: string, words: string]>> = {
  deadline: [
    "Deadlines",
    "`--timeout 1` (gunicorn: its `--timeout`, nginx: `proxy_read_timeout`). Requests that never come back, each stuck in another way, one after the other, while four clients ask short ones. Late is what a client measures, from sending to 504, less the deadline.",
  ],
  crash: [
    "Crashes",
    "2 workers × 4 threads. 16 requests wait until they are let go, 8 of them running; then one worker dies. The application notes which process runs which request. A replacement is measured with one worker: from the kill to the first answer. In a crash loop the application ends again and again, then it is mended.",
  ],
  reload: [
    "Reloads",
    "By SIGHUP, Typhon also by `typhon reload`, while 16 clients ask, 4 of them on a fresh connection each time; in every second reload the workers are idle. The new version has to answer.",
  ],
  drain: [
    "The end",
    "4 workers × 4 threads, 16 requests of 0.5 s running when SIGTERM comes (nginx: SIGQUIT, its graceful end).",
  ],
  overload: [
    "Overload",
    "An application that sleeps for 40 ms in 2 × 4 threads can answer 200 requests a second. 2,000 a second come, whatever the server does, on as many connections as it takes.",
  ],
  "client-leaves": [
    "Clients that leave",
    "Downloads that are left at their first bytes and uploads that are left half way, by a reset or a close, 32 at a time. Afterwards as many requests as there are threads have to run at the same time.",
  ],
  recycling: ["Recycling", "Under load from 16 clients, 4 of them on fresh connections."],
  "front-killed": [
    "The main process killed",
    "SIGKILL to the process that listens while four requests are stuck, one of them with the interpreter's lock held. Then a start on the same port.",
  ],
  tokens: [
    "Whose answer",
    "24 clients, GET and POST, whole and streamed answers. At random: workers killed, SIGHUP, requests past their deadline, clients that leave. Each answer has to carry its request's token and id; the application notes each run.",
  ],
  machine: ["The machine", "A full temporary space, few descriptors, logs that cannot be written."],
};

/** Renders docs/faults.md; false if no run is kept. */
export function renderFaultsPage(): boolean {
  const results = loadNewestOutcomes();
  if (results === null) return false;
  writeFileSync(join(ROOT, "docs", "faults.md"), faultsPage(results));
  return true;
}

/** The whole page. */
function faultsPage(results: ChaosResults): string {
  const groups = [...new Set(results.chaos.map(({ trial }) => groupOf(trial)))];
  const minutes = Math.ceil(results.seconds / 60);
  const parts = [
    `# Faults\n`,
    `What was done to Typhon and to others, and what became of the requests. This page is made by \`npm run chaos -- --peers --keep\`; what Typhon promises is in [lifecycle.md](lifecycle.md).\n`,
    `\`\`\`
npm run chaos                              everything, a quarter of an hour
npm run chaos -- --short                   smaller counts, a minute and a half
npm run chaos -- --only crash,reload.load  some of it
npm run chaos -- --peers --keep            the others as well; writes this page
npm run chaos -- --only tokens --requests 1000000 --seed 7
\`\`\`\n`,
    `Exit code 1 if one promise of Typhon is broken. Full tables are in \`benchmarks/results/*-chaos.json\`.\n`,
    `${results.date.slice(0, 10)}, ${minutes} min, seed ${results.seed}; ${describe(results)}.${results.isWhole ? "" : " **A narrowed run.**"}\n`,
    `All servers: 2 workers with 4 threads unless said otherwise, settings as in the benchmarks (\`benchmarks/servers.ts\`); Granian with \`--respawn-failed-workers\`. "Held" and "broken" are said of the same promise for all, also of those who never made it.\n`,
    `## Promises\n`,
    promiseTable(results.chaos),
    ...groups.map((group) => groupPart(group, results.chaos)),
  ];
  return `${parts.join("\n").trimEnd()}\n`;
}

function promiseTable(rows: readonly Row[]): string {
  const servers = shownServers(rows);
  const head = ["Promise", ...servers.map(titleOf)];
  const lines = keysOf(rows).map(([trial, app]) => [
    promiseOf(rows, trial, app),
    ...servers.map((server) => {
      const row = find(rows, trial, app, server);
      return row === undefined ? "–" : wordOf(row);
    }),
  ]);
  return table(head, lines);
}

function groupPart(group: string, rows: readonly Row[]): string {
  const [title, words] = GROUP_WORDS[group] ?? [group, ""];
  const own = rows.filter(({ trial }) => groupOf(trial) === group);
  const servers = shownServers(own);
  const lines = keysOf(own).flatMap(([trial, app]) =>
    servers.flatMap((server) => {
      const row = find(own, trial, app, server);
      return row === undefined ? [] : [lineOf(row)];
    }),
  );
  return `## ${title}\n\n${words}\n\n${table(["Trial", "Server", "Done", "Outcome", "Figures"], lines)}`;
}

function lineOf(row: Row): string[] {
  const faults = tellFaults(row.faults, MAX_FAULTS).map(escapeCell).join("; ");
  const word = wordOf(row);
  return [
    `${row.trial}${row.app === "flask" ? ", Flask" : ""}`,
    titleOf(row.server),
    escapeCell(row.did),
    row.outcome === "held" || faults === "" ? word : `${word}: ${faults}`,
    row.figures.map(tellFigure).join(", "),
  ];
}

function wordOf({ outcome }: Row): string {
  return outcome === "broken" ? "**broken**" : outcome;
}

function promiseOf(rows: readonly Row[], trial: string, app: string): string {
  const promise = rows.find((row) => row.trial === trial)?.promise ?? trial;
  return app === "flask" ? `${promise} (Flask)` : promise;
}

/** Trials and applications, in the order of the trials. */
function keysOf(rows: readonly Row[]): [string, string][] {
  return TRIALS.flatMap(({ name, apps }) =>
    apps
      .filter((app) => rows.some((row) => row.trial === name && row.app === app))
      .map((app): [string, string] => [name, app]),
  );
}

function find(rows: readonly Row[], trial: string, app: string, server: string): Row | undefined {
  return rows.find((row) => row.trial === trial && row.app === app && row.server === server);
}

function shownServers(rows: readonly Row[]): string[] {
  return SERVER_NAMES.filter((name) => rows.some(({ server }) => server === name));
}

function titleOf(server: string): string {
  return SERVERS.find(({ name }) => name === server)?.title ?? server;
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

if (import.meta.main && !renderFaultsPage()) {
  process.stderr.write("no run is kept; make one by: npm run chaos -- --peers --keep\n");
  process.exit(1);
}
