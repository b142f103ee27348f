// Requests of a killed worker that are run once more: GETs that ran beside others; never one that ran
// alone, which may have killed it, and never a POST. And the launcher's death, which loses no request.

import { until } from "../../../test/support/deadline.ts";
import { isRunning } from "../../../test/support/processes.ts";
import { expectWhole } from "../aftermath.ts";
import { tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import { holdRequests } from "../held-requests.ts";
import { killProcess, type Subject } from "../subject.ts";
import { counts, isPlain, type Stage, type Trial } from "../trial.ts";

const RUNNING_MS = 30_000;
const REPLACEMENT_MS = 30_000;

export const RETRY: readonly Trial[] = [
  {
    name: "crash.retry",
    promise:
      "GET requests beside others in a killed worker are run once more; a GET that was alone, and a POST, get 502",
    servers: ["typhon"],
    whyNot: "no other server runs a request again when its worker dies",
    apps: ["raw", "flask", "asgi", "fastapi"],
    short: ["asgi"],
    run: runRetry,
  },
  {
    name: "crash.launcher",
    promise: "The death of the launcher loses no request",
    servers: ["typhon"],
    whyNot: "no other server has a launcher",
    apps: ["raw", "asgi"],
    run: runLauncher,
  },
];

async function runRetry(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = isPlain(stage.app) ? counts(stage, 1, 3) : 1;
  const subject = await stage.start({ workers: 1, extras: { typhon: ["--retry", "safe"] } });
  let retried = 0;
  for (let round = 0; round < rounds; round += 1) {
    retried += await runBystanders(stage, subject);
    await runSuspect(stage, subject);
  }
  const logged = subject.events("request.retried").length;
  verdict.expect(logged === retried, `the log tells of ${logged} of ${retried} further runs`);
  verdict.did = `${rounds} × 3 GETs and a POST in one worker, ${rounds} × one GET alone, each killed`;
  await expectWhole(subject, verdict, 50);
}

/** Three GETs and a POST in one worker that is killed; returns how many had to be run once more. */
async function runBystanders({ verdict }: Stage, subject: Subject): Promise<number> {
  const gets = holdRequests(subject, { count: 3 });
  const posted = holdRequests(subject, { count: 1, method: "POST" });
  await gets.waitForRunning(3, RUNNING_MS);
  await posted.waitForRunning(1, RUNNING_MS);
  await killWorkers(subject);
  await until(
    "they run again",
    () => [0, 1, 2].every((at) => gets.runsOf(at) > 1),
    RUNNING_MS,
  ).catch(() => verdict.expect(false, "the GETs were not run again"));
  const answers = await gets.release();
  for (const answer of answers)
    verdict.expect(answer.status === 200, `a GET beside others got ${tellAnswer(answer)}`);
  for (const at of answers.keys())
    verdict.expect(gets.runsOf(at) <= 2, `a GET was run ${gets.runsOf(at)} times`);
  const [answer] = await posted.release();
  if (answer !== undefined)
    verdict.expect(answer.status === 502, `a POST got ${tellAnswer(answer)} instead of 502`);
  verdict.expect(posted.runsOf(0) === 1, `a POST was run ${posted.runsOf(0)} times`);
  return 3;
}

async function runSuspect({ verdict }: Stage, subject: Subject): Promise<void> {
  const alone = holdRequests(subject, { count: 1 });
  await alone.waitForRunning(1, RUNNING_MS);
  await killWorkers(subject);
  const [answer] = await alone.release();
  if (answer !== undefined)
    verdict.expect(answer.status === 502, `a GET alone got ${tellAnswer(answer)} instead of 502`);
  verdict.expect(alone.runsOf(0) === 1, `a GET alone was run ${alone.runsOf(0)} times`);
}

/** Kills all workers and waits for their successors. */
async function killWorkers(subject: Subject): Promise<void> {
  const victims = subject.workerPids();
  for (const pid of victims) killProcess(pid);
  const isReplaced = (): boolean =>
    !victims.some(isRunning) && subject.workerPids().length === subject.workers;
  await until("the successors run", isReplaced, REPLACEMENT_MS);
}

async function runLauncher(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = counts(stage, 1, 3);
  const subject = await stage.start();
  const load = new ClosedLoad({ port: subject.port, keptAlive: 6, fresh: 2, requests: Infinity });
  load.pauseMs = 5;
  const going = load.run();
  let held = 0;
  for (let round = 0; round < rounds; round += 1) {
    const launcher = subject.launcherPid();
    const requests = holdRequests(subject, { count: 6 });
    await requests.waitForRunning(6, RUNNING_MS);
    killProcess(launcher);
    const isReplaced = (): boolean =>
      subject.launcherPid() !== launcher && subject.launchedPids().length === subject.workers;
    await until("another launcher has all workers", isReplaced, REPLACEMENT_MS).catch(() =>
      verdict.expect(false, "no other launcher had all workers"),
    );
    for (const answer of await requests.release()) {
      held += 1;
      verdict.expect(answer.status === 200, `a request that ran got ${tellAnswer(answer)}`);
    }
  }
  load.stop();
  await going;
  verdict.did = `${rounds} kills, ${held} requests running, ${load.asked} others`;
  verdict.expect(load.failed === 0, `others failed: ${load.tellFailures()}`);
  await expectWhole(subject, verdict, 50);
}
