// Requests that never come back, each stuck in another way, beside requests that do. The deadline has to
// answer them, to free their worker, and to say where in the application they were.

import { setTimeout as sleep } from "node:timers/promises";

import { expectWhole } from "../aftermath.ts";
import { Client, fieldOf, get, tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import type { Subject } from "../subject.ts";
import { APP_NAMES, counts, SERVER_NAMES, type Stage, type Trial, type Verdict } from "../trial.ts";

/** Peers take whole seconds. */
const TIMEOUT_SECONDS = 1;
const SHORT_TIMEOUT_SECONDS = 0.5;
/** The promise: 504 at most so long after the deadline. */
const MAX_LATENESS_MS = 250;
/** Who asks beside a stuck request notices nothing: less than this is a busy machine. */
const MAX_BYSTANDER_MS = 500;
/** Who never answers is given up so long after the deadline. */
const PATIENCE_MS = 6000;
/** A report is written when the stacks have been had, or have not. */
const REPORT_MS = 4000;

/** A worker that does not come back is killed 1 s after the deadline, then another starts. */
const FREED_MS = 1800;

interface Way {
  readonly name: string;
  /** The function that a stack has to show. */
  readonly page: string;
  readonly query: string;
  readonly words: string;
  /** Clients beside the stuck request. */
  readonly others: number;
}

const WAYS: readonly Way[] = [
  { name: "steps", page: "sleep_in_steps", query: "", words: "sleeping in short steps", others: 4 },
  { name: "loop", page: "spin", query: "", words: "in an endless loop", others: 4 },
  {
    name: "lock",
    page: "take_lock_twice",
    query: "",
    words: "waiting for a lock that nobody releases",
    others: 4,
  },
  {
    name: "c",
    page: "backtrack",
    query: "",
    words: "in C with the interpreter's lock held",
    others: 4,
  },
  {
    // By then the worker's next thread waits for requests, and the kernel may wake it: it cannot come.
    name: "c-later",
    page: "backtrack",
    query: "?after=0.05",
    words: "in C with the interpreter's lock held, after 50 ms, beside a single other client,",
    others: 1,
  },
  { name: "sleep", page: "sleep_long", query: "", words: "in one long sleep", others: 4 },
];

export const DEADLINE: readonly Trial[] = WAYS.map((way) => ({
  name: `deadline.${way.name}`,
  promise: `A request ${way.words} gets 504 at its deadline, its worker serves again, nobody else notices`,
  servers: SERVER_NAMES,
  apps: way.name === "c-later" ? ["raw"] : APP_NAMES,
  run: (stage) => run(stage, way),
}));

async function run(stage: Stage, way: Way): Promise<void> {
  const { verdict } = stage;
  const isBrief = stage.isShort && stage.server === "typhon";
  const seconds = isBrief ? SHORT_TIMEOUT_SECONDS : TIMEOUT_SECONDS;
  const subject = await stage.start({
    extras: {
      typhon: ["--timeout", String(seconds)],
      gunicorn: ["--timeout", String(TIMEOUT_SECONDS)],
      nginx: `proxy_read_timeout ${TIMEOUT_SECONDS}s;`,
    },
  });
  const isThorough = stage.app === "raw" && stage.server === "typhon";
  const count = isThorough ? counts(stage, 1, 3) : 1;
  const others = new ClosedLoad({
    port: subject.port,
    keptAlive: Math.max(1, way.others - 1),
    fresh: way.others > 1 ? 1 : 0,
    requests: Infinity,
    patienceMs: PATIENCE_MS,
  });
  others.pauseMs = 5;
  const going = others.run();
  const ids = await askStuck(subject, way, { count, seconds }, verdict);
  others.stop();
  await going;
  verdict.did = `${count} stuck, ${others.asked} others beside them`;
  verdict.figure("slowest other", others.slowestMs, "ms");
  verdict.expect(others.failed === 0, `others failed: ${others.tellFailures()}`);
  verdict.expect(
    others.slowestMs <= MAX_BYSTANDER_MS,
    `another request took ${others.slowestMs.toFixed(0)} ms`,
  );
  if (subject.server === "typhon") await expectReports(subject, way.page, ids, verdict);
  await expectWhole(subject, verdict, counts(stage, 300, 2000));
}

/** One stuck request after the other; returns the ids of their answers. */
async function askStuck(
  subject: Subject,
  { page, query }: Way,
  { count, seconds }: { readonly count: number; readonly seconds: number },
  verdict: Verdict,
): Promise<string[]> {
  const ids: string[] = [];
  let latest = 0;
  for (let at = 0; at < count; at += 1) {
    const client = new Client(subject.port);
    const answer = await client.ask(get(`/${page}${query}`), seconds * 1000 + PATIENCE_MS);
    client.close();
    await sleep(FREED_MS);
    ids.push(fieldOf(answer, "x-request-id"));
    const lateness = answer.ms - seconds * 1000;
    verdict.expect(answer.status === 504, `${tellAnswer(answer)} instead of 504`);
    if (answer.status !== 504) continue;
    latest = Math.max(latest, lateness);
    verdict.expect(
      lateness <= MAX_LATENESS_MS && lateness >= 0,
      `504 ${lateness.toFixed(0)} ms after the deadline`,
    );
  }
  if (latest > 0) verdict.figure("latest 504 after the deadline", latest, "ms");
  return ids;
}

/** One report for each stuck request, with its path and the function that it was in. */
async function expectReports(
  subject: Subject,
  page: string,
  ids: readonly string[],
  verdict: Verdict,
): Promise<void> {
  const last = performance.now() + REPORT_MS;
  while (subject.events("request.overdue").length < ids.length && performance.now() < last)
    await sleep(50);
  const reports = subject.events("request.overdue");
  for (const id of ids) {
    const own = reports.filter(({ requestId }) => requestId === id);
    verdict.expect(own.length === 1, `${own.length} reports in the log for one late request`);
    for (const { path, message } of own) {
      verdict.expect(path === `/${page}`, `the report names the path ${JSON.stringify(path)}`);
      verdict.expect(String(message).includes(page), `no stack in the log that names ${page}`);
    }
  }
}
