// Requests that never end, each stuck in another way, beside requests that do. The deadline has to answer
// the stuck ones with 504, free their worker, and log where in the application they were.

import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../../test/support/deadline.ts";
import { expectWhole, expectWorkers } from "../aftermath.ts";
import { Client, fieldOf, get, tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import type { Subject } from "../subject.ts";
import {
  APP_NAMES,
  counts,
  isPlain,
  SERVER_NAMES,
  type AppName,
  type Stage,
  type Trial,
  type Verdict,
} from "../trial.ts";

/** Peers take whole seconds. */
const TIMEOUT_SECONDS = 1;
/** The promise: 504 at most so long after the deadline. */
const MAX_LATENESS_MS = 250;
/** Requests beside a stuck one are not slowed: a busy machine alone makes them take up to this. */
const MAX_BYSTANDER_MS = 500;
/** A peer that does not answer is given up so long after the deadline. */
const PEER_PATIENCE_MS = 6000;
/** A peer's worker is killed by its master, then another starts. */
const PEER_FREED_MS = 1800;

/** Whether a stuck request can be interrupted, or only its worker be killed. */
type End = "interrupted" | "killed";

interface Way {
  readonly name: string;
  /** The function that a stack has to show. */
  readonly page: string;
  readonly query: string;
  readonly words: string;
  /** Clients beside the stuck request. */
  readonly others: number;
  readonly wsgi: End;
  readonly asgi: End;
  /** In ASGI only the request waits, and the loop goes on. */
  readonly isTask: boolean;
  readonly apps: readonly AppName[];
}

const STUCK = { query: "", others: 4, apps: APP_NAMES, isTask: false };

const WAYS: readonly Way[] = [
  {
    ...STUCK,
    name: "steps",
    page: "sleep_in_steps",
    words: "sleeping in short steps",
    wsgi: "interrupted",
    asgi: "interrupted",
    isTask: true,
  },
  {
    ...STUCK,
    name: "loop",
    page: "spin",
    words: "in an endless loop",
    wsgi: "interrupted",
    asgi: "interrupted",
  },
  {
    ...STUCK,
    apps: ["raw", "asgi"],
    name: "lock",
    page: "take_lock_twice",
    words: "waiting for a lock that nobody releases",
    wsgi: "killed",
    asgi: "interrupted",
    isTask: true,
  },
  {
    ...STUCK,
    name: "c",
    page: "backtrack",
    words: "in C with the interpreter's lock held",
    wsgi: "killed",
    asgi: "killed",
  },
  {
    // By then the worker's next thread waits for requests: the kernel may wake it, and it cannot run.
    name: "c-later",
    page: "backtrack",
    query: "?after=0.05",
    words: "in C with the interpreter's lock held, after 50 ms, beside a single other client,",
    others: 1,
    wsgi: "killed",
    asgi: "killed",
    isTask: false,
    apps: ["raw"],
  },
  {
    ...STUCK,
    apps: ["raw", "asgi"],
    name: "sleep",
    page: "sleep_long",
    words: "in one long sleep",
    wsgi: "killed",
    asgi: "killed",
  },
];

export const DEADLINE: readonly Trial[] = WAYS.map((way) => ({
  name: `deadline.${way.name}`,
  promise: `A request ${way.words} gets 504 at its deadline and is not run again; its worker serves again; no other client notices (ASGI: none outside its event loop)`,
  servers: SERVER_NAMES,
  whyNot: "",
  apps: way.apps,
  run: (stage) => run(stage, way),
}));

async function run(stage: Stage, way: Way): Promise<void> {
  const { verdict } = stage;
  const subject = await stage.start({
    extras: {
      typhon: ["--timeout", String(TIMEOUT_SECONDS)],
      gunicorn: ["--timeout", String(TIMEOUT_SECONDS)],
      nginx: `proxy_read_timeout ${TIMEOUT_SECONDS}s;`,
    },
  });
  const isThorough = isPlain(stage.app) && stage.server === "typhon";
  const count = isThorough ? counts(stage, 1, 3) : 1;
  const others = new ClosedLoad({
    port: subject.port,
    keptAlive: Math.max(1, way.others - 1),
    fresh: way.others > 1 ? 1 : 0,
    requests: Infinity,
    patienceMs: stage.server === "typhon" ? subject.patienceMs : PEER_PATIENCE_MS,
  });
  others.pauseMs = counts(stage, 20, 5);
  const going = others.run();
  const ids = await askStuck(stage, subject, way, count);
  others.stop();
  await going;
  verdict.did = `${count} stuck, ${others.asked} others beside them`;
  verdict.figure("slowest other", others.slowestMs, "ms");
  // Requests that share a blocked loop wait with it until their own deadline passes; so does a request that
  // another thread of the worker began just before the lock was taken for good.
  const isLoopShared = subject.isAsync && !way.isTask;
  const isLockShared = way.page === "backtrack";
  const late = isLoopShared || isLockShared ? (others.failures.get("504") ?? 0) : 0;
  verdict.expect(others.failed === late, `others failed: ${others.tellFailures()}`);
  const neighbours = count * (subject.threads - 1);
  verdict.expect(late <= neighbours, `${late} others were late, not ${neighbours} at most`);
  if (!isLoopShared && late === 0)
    verdict.expectInTime(
      others.slowestMs <= MAX_BYSTANDER_MS,
      `another request took ${others.slowestMs.toFixed(0)} ms`,
    );
  const runs = subject.notes.lines("stuck").length;
  verdict.expect(runs === count, `${count} late requests were run ${runs} times`);
  if (subject.server === "typhon") await expectReports(subject, way.page, ids, verdict);
  await expectWhole(subject, verdict, counts(stage, 50, 2000));
}

/** One stuck request after the other; returns the ids of their answers. */
async function askStuck(
  stage: Stage,
  subject: Subject,
  way: Way,
  count: number,
): Promise<string[]> {
  const { verdict, server } = stage;
  const patienceMs = server === "typhon" ? subject.patienceMs : PEER_PATIENCE_MS;
  const ids: string[] = [];
  let latest = 0;
  for (let at = 0; at < count; at += 1) {
    const before = subject.workerPids();
    const client = new Client(subject.port);
    const request = get(`/${way.page}${way.query}`);
    const answer = await client.ask(request, TIMEOUT_SECONDS * 1000 + patienceMs);
    client.close();
    if (server === "typhon") await expectFreed(subject, way, before, verdict);
    else await sleep(PEER_FREED_MS);
    ids.push(fieldOf(answer, "x-request-id"));
    const lateness = answer.ms - TIMEOUT_SECONDS * 1000;
    verdict.expect(answer.status === 504, `${tellAnswer(answer)} instead of 504`);
    if (answer.status !== 504) continue;
    latest = Math.max(latest, lateness);
    verdict.expect(lateness >= 0, `504 ${(-lateness).toFixed(0)} ms before the deadline`);
    verdict.expectInTime(
      lateness <= MAX_LATENESS_MS,
      `504 ${lateness.toFixed(0)} ms after the deadline`,
    );
  }
  if (latest > 0) verdict.figure("latest 504 after the deadline", latest, "ms");
  return ids;
}

/** An interrupted worker goes on; a killed one is gone, and another has taken its place. */
async function expectFreed(
  subject: Subject,
  way: Way,
  before: readonly number[],
  verdict: Verdict,
): Promise<void> {
  const remain = (): number => subject.workerPids().filter((pid) => before.includes(pid)).length;
  if ((subject.isAsync ? way.asgi : way.wsgi) === "interrupted") {
    verdict.expectInTime(remain() === before.length, "the worker was ended, not interrupted");
    return;
  }
  const isEnded = (): boolean => remain() === before.length - 1;
  await until("the stuck worker has ended", isEnded, subject.patienceMs).catch(() =>
    verdict.expect(
      false,
      `${before.length - remain()} workers were ended instead of the stuck one`,
    ),
  );
  await expectWorkers(subject, verdict);
}

/** One report for each stuck request, with its path and the function that it was in. */
async function expectReports(
  subject: Subject,
  page: string,
  ids: readonly string[],
  verdict: Verdict,
): Promise<void> {
  // Other requests of a blocked loop may be late too, and are reported as well.
  const isTold = (): boolean => {
    const told = new Set(subject.events("request.overdue").map(({ requestId }) => requestId));
    return ids.every((id) => told.has(id));
  };
  await until("all reports", isTold, subject.patienceMs).catch(() => undefined);
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
