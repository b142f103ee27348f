// The server as process 1 of a container: signals reach it, orphans are taken in, no zombies gather.

import { execFileSync } from "node:child_process";

import { until } from "../../../test/support/deadline.ts";
import { readTree } from "../../process-tree.ts";
import { askOnce, fieldOf, get, tellAnswer } from "../client.ts";
import { holdRequests } from "../held-requests.ts";
import type { Subject } from "../subject.ts";
import { NotPossible, type Stage, type Trial } from "../trial.ts";

const REQUESTS = 4;
const ORPHANS = 20;
const BEFORE = ["unshare", "--pid", "--fork", "--mount-proc"];

export const FIRST_PROCESS: readonly Trial[] = [
  {
    name: "drain.first-process",
    promise:
      "As PID 1 the server adopts processes that workers leave behind, ends on SIGTERM as always, and leaves no zombie",
    servers: ["typhon"],
    whyNot: "in practice these servers run with another process as PID 1",
    apps: ["raw", "asgi"],
    short: ["raw"],
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  try {
    execFileSync("unshare", [...BEFORE.slice(1), "true"], { stdio: "ignore" });
  } catch {
    throw new NotPossible("a PID namespace of its own needs root");
  }
  const subject = await stage.start({ before: BEFORE });
  for (let count = 0; count < ORPHANS; count += 1) {
    const answer = await askOnce(subject.port, get("/leave_orphan"), subject.patienceMs);
    verdict.expect(answer.status === 200, `who leaves an orphan got ${tellAnswer(answer)}`);
  }
  // The front, the launcher, the workers, and unshare outside.
  const most = subject.workers + 3;
  const isClean = (): boolean => countProcesses(subject) <= most;
  await until("the orphans are gone", isClean, subject.patienceMs).catch(() =>
    verdict.expect(false, `${countProcesses(subject) - most} orphans or zombies were left`),
  );
  const held = holdRequests(subject, { count: REQUESTS });
  await held.waitForRunning(REQUESTS, subject.patienceMs);
  const first = subject.processes().find(({ parent }) => parent === subject.main.pid);
  if (first === undefined) throw new Error("there is no first process");
  process.kill(first.pid, "SIGTERM");
  const isStopping = (): boolean => subject.events("server.stopping").length > 0;
  await until("the log tells of the stop", isStopping, subject.patienceMs);
  for (const answer of await held.release()) {
    verdict.expect(answer.status === 200, `a running request got ${tellAnswer(answer)}`);
    verdict.expect(/^close$/i.test(fieldOf(answer, "connection")), "no Connection: close");
  }
  const { code, signal } = await subject.main.exited;
  verdict.expect(code === 0, `exit ${code ?? signal ?? ""}`);
  verdict.expect(await subject.isGone(subject.patienceMs), "processes were left");
  verdict.did = `PID 1 of a namespace; ${ORPHANS} orphans, then SIGTERM with ${REQUESTS} requests running`;
}

/** Zombies too. */
function countProcesses(subject: Subject): number {
  return readTree([subject.main.pid]).length;
}
