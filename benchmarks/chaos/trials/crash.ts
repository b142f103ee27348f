// Workers that die while 16 clients wait: the requests of the dead worker get 502 at once, no other request
// is touched, and a new worker serves as soon as it has imported the application.

import { setTimeout as sleep } from "node:timers/promises";

import { clockMs } from "../../load/arrivals.ts";
import { median } from "../../statistics.ts";
import { expectWhole, expectWorkers } from "../aftermath.ts";
import { Client, get, tellAnswer, type Answer } from "../client.ts";
import { holdRequests } from "../held-requests.ts";
import { killProcess, type Subject } from "../subject.ts";
import {
  APP_NAMES,
  counts,
  isPlain,
  SERVER_NAMES,
  type Stage,
  type Trial,
  type Verdict,
} from "../trial.ts";

const CLIENTS = 16;
/** The promise: 502 at most so long after the death. */
const MAX_NEWS_MS = 50;
/** The promise: a replacement serves at most so long after the death, the import taken off. */
const MAX_REPLACEMENT_MS = 100;
/** A peer's response is waited for so long after the death; Typhon's much longer. */
const PEER_NEWS_MS = 3000;
const REPLACEMENT_MS = 30_000;

const DEATHS = [
  ["kill", "killed by SIGKILL"],
  ["segfault", "ended by a segmentation fault"],
  ["exit", "ended by os._exit in a request"],
] as const;

export const CRASH: readonly Trial[] = [
  ...DEATHS.map(([way, words]): Trial => ({
    name: `crash.${way}`,
    promise: `When a worker is ${words}, exactly the requests that it ran get 502; all others get their response`,
    servers: SERVER_NAMES,
    whyNot: "",
    apps: way === "kill" ? APP_NAMES : ["raw", "asgi"],
    // The end-to-end tests do the same to WSGI workers.
    short: way === "kill" ? ["asgi"] : [],
    run: (stage) => runDeaths(stage, way),
  })),
  {
    name: "crash.replacement",
    promise: "A dead worker is replaced as soon as a new worker has imported the application",
    servers: SERVER_NAMES,
    whyNot: "",
    apps: APP_NAMES,
    run: runReplacement,
  },
];

async function runDeaths(stage: Stage, way: string): Promise<void> {
  const { verdict } = stage;
  const rounds = isPlain(stage.app) ? counts(stage, 1, 5) : 2;
  const subject = await stage.start();
  const outcome = { held: 0, news: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    await runDeath(stage, subject, way, outcome);
    await expectWorkers(subject, verdict);
  }
  verdict.did = `${rounds} deaths under ${CLIENTS} requests each, ${outcome.held} of them run by the dead`;
  if (outcome.news.length > 0)
    verdict.figure("latest 502 after the death", Math.max(...outcome.news), "ms");
  await expectWhole(subject, verdict, counts(stage, 50, 1000));
}

async function runDeath(
  { verdict }: Stage,
  subject: Subject,
  way: string,
  outcome: { held: number; news: number[] },
): Promise<void> {
  // POST is never run again: that is the trial crash.retry.
  const held = holdRequests(subject, { count: CLIENTS, method: "POST", firstDies: way });
  const threads = subject.workers * subject.threads;
  const running = await held.waitForRunning(threads, subject.patienceMs);
  // Where the kernel deals connections out to workers, one may have too few: that is another promise.
  if (subject.server === "typhon")
    verdict.expect(running === threads, `${running} of ${threads} threads ran a request`);
  const victim = held.holderOf(0);
  if (victim === 0) return verdict.expect(false, "the first request was not begun");
  const doomed = held.heldBy(victim);
  let diedAt = clockMs();
  if (way === "kill") killProcess(victim);
  else held.releaseFirst();
  const news = Promise.all(doomed.map((at) => held.answerOf(at)));
  const newsMs = subject.server === "typhon" ? subject.patienceMs : PEER_NEWS_MS;
  await Promise.race([news, sleep(newsMs, undefined, { ref: false })]);
  const answers = await held.release();
  diedAt = subject.notes.deaths().find(({ pid }) => pid === victim)?.at ?? diedAt;
  outcome.held += doomed.length;
  for (const [at, answer] of answers.entries()) {
    const wanted = doomed.includes(at) ? 502 : 200;
    const who = doomed.includes(at) ? "run by the dead worker" : "not run by the dead worker";
    verdict.expect(
      answer.status === wanted,
      `a request ${who} got ${tellAnswer(answer)} instead of ${wanted}`,
    );
    if (answer.status === 502) outcome.news.push(answer.at - diedAt);
    expectSoon(verdict, answer, diedAt);
  }
}

function expectSoon(verdict: Verdict, answer: Answer, diedAt: number): void {
  const late = answer.at - diedAt;
  if (answer.status === 502)
    verdict.expectInTime(late <= MAX_NEWS_MS, `502 came ${late.toFixed(0)} ms late`);
}

/** One worker, so that the first answer after its death is its successor's. */
async function runReplacement(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = isPlain(stage.app) ? counts(stage, 1, 5) : 1;
  const gaps: number[] = [];
  let importMs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const subject = await stage.start({ workers: 1 });
    const [victim = 0] = subject.workerPids();
    const diedAt = clockMs();
    killProcess(victim);
    const servedAt = await firstAnswerAt(subject, diedAt);
    if (servedAt === null) verdict.expect(false, `no answer within ${REPLACEMENT_MS} ms`);
    else {
      importMs = subject.notes.starts().at(-1)?.importMs ?? 0;
      gaps.push(servedAt - diedAt - importMs);
    }
    subject.kill();
  }
  verdict.did = `${rounds} × the only worker killed`;
  if (gaps.length === 0) return;
  verdict.figure("import of the application", importMs, "ms");
  verdict.figure("first answer after the death, less the import", median(gaps), "ms");
  verdict.expectInTime(
    median(gaps) <= MAX_REPLACEMENT_MS,
    `the replacement took ${median(gaps).toFixed(0)} ms more than its import`,
  );
}

async function firstAnswerAt(subject: Subject, since: number): Promise<number | null> {
  const client = new Client(subject.port);
  try {
    while (clockMs() - since < REPLACEMENT_MS) {
      const answer = await client.ask(get("/quick"));
      if (answer.status === 200) return answer.at;
      await sleep(2);
    }
    return null;
  } finally {
    client.close();
  }
}
