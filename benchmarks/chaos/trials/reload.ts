// Reloads under load. No request may be refused or lost, code that does not load must not replace code
// that runs, and a reload may leave no process, descriptor or memory behind.

import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../../test/support/deadline.ts";
import { INSPECTABLE, readLiveHeap } from "../../../test/support/front-heap.ts";
import { clockMs } from "../../load/arrivals.ts";
import { median } from "../../statistics.ts";
import { Client, get } from "../client.ts";
import { ClosedLoad, mixedRequest } from "../closed-load.ts";
import type { Subject } from "../subject.ts";
import { APP_NAMES, counts, isPlain, SERVER_NAMES, type Stage, type Trial } from "../trial.ts";
import { readVitals, type Vitals } from "../vitals.ts";

/** Idle clients ask so rarely that most workers sleep, ms. */
const IDLE_PAUSE_MS = 40;
const IDLE_PHASE_MS = 300;
/** So many responses in a row have to be of the new version. */
const IN_A_ROW = 20;
const NEW_VERSION_MS = 40_000;
/** Peers log nothing about it: so long after SIGHUP the broken code has been tried. */
const PEER_LOADED_MS = 1500;
const MAX_RSS_GROWTH = 0.05;
/** Reloads to warm up, and those that are judged. */
const LEAK_COUNTS = { short: [2, 4], whole: [50, 200], full: [50, 200] } as const;

export const RELOAD: readonly Trial[] = [
  {
    name: "reload.load",
    promise: "Reloads under load fail no request, and the new code serves",
    servers: SERVER_NAMES,
    whyNot: "",
    apps: APP_NAMES,
    short: ["asgi"],
    isSlow: true,
    run: runUnderLoad,
  },
  {
    name: "reload.broken",
    promise:
      "Code that does not load never replaces running code, and the operator learns the reason",
    servers: SERVER_NAMES,
    whyNot: "",
    apps: APP_NAMES,
    run: runBroken,
  },
  {
    name: "reload.leak",
    promise:
      "After many reloads the numbers of processes, threads and descriptors are the same, and memory is within 5 %",
    servers: ["typhon"],
    whyNot:
      "in the other servers all processes are new after a reload, or there is one process more",
    apps: ["raw", "asgi"],
    short: ["raw"],
    isSlow: true,
    run: runLeak,
  },
];

function startReloadable(
  stage: Stage,
  environment: Readonly<Record<string, string>> = {},
): Promise<Subject> {
  return stage.start({ extras: { typhon: ["--pid", `${stage.folder}/pid`] }, environment });
}

async function runUnderLoad(stage: Stage): Promise<void> {
  const { verdict, server } = stage;
  const isLong = server === "typhon" && isPlain(stage.app) && stage.size !== "short";
  const reloads = isLong ? 20 : counts(stage, 3, 5);
  const requests = isLong ? counts(stage, 0, 40_000, 200_000) : counts(stage, 900, 5_000);
  const subject = await startReloadable(stage);
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 12,
    fresh: 4,
    requests,
    request: mixedRequest,
  });
  const going = load.run();
  const times: number[] = [];
  for (let at = 0; at < reloads; at += 1) {
    // In every second reload the workers are idle: sleeping workers have to be replaced as well.
    load.pauseMs = at % 2 === 0 ? 0 : IDLE_PAUSE_MS;
    if (at % 2 === 1) await sleep(IDLE_PHASE_MS);
    times.push(await reloadTo(stage, subject, `v${at + 1}`, at % 4 < 2));
    load.pauseMs = 0;
    while (load.asked < ((at + 1) / reloads) * requests * 0.95) await sleep(20);
  }
  await going;
  verdict.did = `${reloads} reloads, ${load.asked} requests`;
  verdict.figure("until all answers are of the new code", median(times), "ms");
  const stale = load.stale > 0 ? `; ${load.stale} as an idle connection was closed` : "";
  verdict.expect(load.failed === 0, `${load.failed} failed: ${load.tellFailures()}${stale}`);
}

/** Reloads by command or by signal and waits until only the new version answers; ms. */
async function reloadTo(
  { verdict }: Stage,
  subject: Subject,
  version: string,
  byCommand: boolean,
): Promise<number> {
  const since = clockMs();
  subject.notes.setVersion(version);
  if (subject.server === "typhon" && byCommand) {
    const { code, output } = await subject.reload();
    verdict.expect(code === 0, `typhon reload exited with ${code}: ${output.trim().slice(0, 200)}`);
  } else subject.signal("SIGHUP");
  const client = new Client(subject.port);
  let inARow = 0;
  while (inARow < IN_A_ROW && clockMs() - since < NEW_VERSION_MS) {
    const answer = await client.ask(get("/quick"));
    inARow = answer.body.startsWith(`quick ${version} `) ? inARow + 1 : 0;
    client.close();
    if (inARow === 0) await sleep(10);
  }
  verdict.expect(inARow === IN_A_ROW, `${version} did not serve within ${NEW_VERSION_MS} ms`);
  return clockMs() - since;
}

async function runBroken(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const subject = await startReloadable(stage);
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 6,
    fresh: 2,
    requests: Infinity,
    isRight: ({ body }) => body.startsWith("quick 0 "),
  });
  load.pauseMs = 5;
  const going = load.run();
  subject.notes.setVersion("broken");
  subject.notes.setFault("raise");
  if (subject.server === "typhon") {
    const { code, output } = await subject.reload();
    verdict.expect(code === 3, `typhon reload exited with ${code} instead of 3`);
    const hasTraceback = /Traceback[\s\S]*this version does not load/.test(output);
    verdict.expect(hasTraceback, `typhon reload printed no traceback: ${output.slice(0, 200)}`);
  }
  subject.signal("SIGHUP");
  if (subject.server === "typhon") {
    const isTold = (): boolean => subject.events("server.reload-failed").length >= 2;
    await until("both failures in the log", isTold, subject.patienceMs).catch(() =>
      verdict.expect(false, "the log does not tell of two failed reloads"),
    );
    const asked = load.asked;
    await until("some more requests", () => load.asked > asked + 50, subject.patienceMs);
  } else await sleep(PEER_LOADED_MS);
  load.stop();
  await going;
  const ways = subject.server === "typhon" ? "by command and by SIGHUP" : "by SIGHUP";
  verdict.did = `code that raises, ${ways}; ${load.asked} requests`;
  verdict.expect(load.failed === 0, `${load.failed} failed: ${load.tellFailures()}`);
  verdict.expect(load.right > 0, "the old code did not answer");
  subject.notes.setFault("");
  await reloadTo(stage, subject, "mended", true);
}

async function runLeak(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const [warmUp, reloads] = LEAK_COUNTS[stage.size];
  const subject = await startReloadable(stage, INSPECTABLE);
  let number = 0;
  const reloadMany = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 1) {
      number += 1;
      await reloadTo(stage, subject, `v${number}`, number % 2 === 0);
    }
  };
  await reloadMany(warmUp);
  const settleMs = counts(stage, 300, 1500);
  const before = await settle(subject, settleMs);
  await reloadMany(reloads);
  const after = await settle(subject, settleMs);
  verdict.did = `${reloads} reloads after ${warmUp}`;
  for (const what of ["processes", "threads", "descriptors"] as const)
    verdict.expect(
      after[what] <= before[what],
      `${what}: ${before[what]} before, ${after[what]} after`,
    );
  const growth = after.rssBytes / before.rssBytes - 1;
  verdict.figure("memory", growth * 100, "%");
  verdict.figure("live heap", (after.heapBytes / before.heapBytes - 1) * 100, "%");
  // A few reloads say nothing about memory.
  verdict.expectInTime(growth <= MAX_RSS_GROWTH, `memory grew by ${(growth * 100).toFixed(1)} %`);
}

/** Reads once the old workers have gone and the front's garbage has been collected. */
async function settle(subject: Subject, settleMs: number): Promise<Vitals & { heapBytes: number }> {
  const isWhole = (): boolean => subject.workerPids().length <= subject.workers;
  await until("the old workers have gone", isWhole, subject.patienceMs);
  const heapBytes = await readLiveHeap(subject);
  // Freed pages go back to the kernel a moment later.
  await sleep(settleMs);
  // Without the workers: they are new each time, and start their threads on demand.
  const vitals = readVitals([subject.front.pid, subject.launcherPid()]);
  return { ...vitals, processes: subject.processes().length, heapBytes };
}
