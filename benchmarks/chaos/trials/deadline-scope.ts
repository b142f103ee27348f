// The scope of a deadline: the path that it was given for, and only the late request of a worker that has
// to be killed.

import { until } from "../../../test/support/deadline.ts";
import { isRunning } from "../../../test/support/processes.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, get, tellAnswer } from "../client.ts";
import { holdRequests } from "../held-requests.ts";
import type { Stage, Trial } from "../trial.ts";

const TIMEOUT_SECONDS = 1;
/** Longer than the deadline of all other paths. */
const LONG_SECONDS = 2;

export const DEADLINE_SCOPE: readonly Trial[] = [
  {
    name: "deadline.beside",
    promise: "A worker that will be killed for a late request first finishes its other requests",
    servers: ["typhon"],
    whyNot: "no other server ends a worker for one request and lets the others finish",
    apps: ["raw", "flask"],
    run: runBeside,
  },
  {
    name: "deadline.routes",
    promise: "A path, with all paths below it, can have its own deadline, or none",
    servers: ["typhon"],
    whyNot: "only nginx has such a setting",
    apps: ["raw", "asgi"],
    run: runRoutes,
  },
];

async function runBeside(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const extras = { typhon: [`--timeout=${TIMEOUT_SECONDS}`, "--timeout=/hold=0"] };
  const subject = await stage.start({ workers: 1, extras });
  const [old = 0] = subject.workerPids();
  const beside = holdRequests(subject, { count: 2, method: "POST" });
  await beside.waitForRunning(2, subject.patienceMs);
  const late = await askOnce(subject.port, get("/sleep_long"), subject.patienceMs);
  verdict.expect(late.status === 504, `the late request got ${tellAnswer(late)}`);
  const isRelieved = (): boolean => subject.workerPids().some((pid) => pid !== old);
  await until("another worker has come", isRelieved, subject.patienceMs);
  verdict.expect(isRunning(old), "the worker was killed while it ran others");
  const elsewhere = await askOnce(subject.port, get("/quick"), subject.patienceMs);
  verdict.expect(elsewhere.status === 200, `a new request got ${tellAnswer(elsewhere)}`);
  const answers = await beside.release();
  for (const [at, answer] of answers.entries()) {
    verdict.expect(answer.status === 200, `a request beside it got ${tellAnswer(answer)}`);
    verdict.expect(beside.holderOf(at) === old, "a request beside it was run elsewhere");
  }
  const isGone = (): boolean => !isRunning(old);
  await until("it is killed at last", isGone, subject.patienceMs).catch(() =>
    verdict.expect(false, "the worker was never killed"),
  );
  verdict.did = "2 requests beside one in a long sleep, in the only worker";
  await expectWhole(subject, verdict, 50);
}

async function runRoutes(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const times = [String(TIMEOUT_SECONDS), "/sleep=30", "/token=0"];
  const subject = await stage.start({ extras: { typhon: times.map((one) => `--timeout=${one}`) } });
  const expected = [
    [`/sleep?s=${LONG_SECONDS}`, 200],
    [`/token?t=1&s=${LONG_SECONDS}`, 200],
    ["/sleep_in_steps", 504],
  ] as const;
  const asked = expected.map(([path]) => askOnce(subject.port, get(path), subject.patienceMs));
  for (const [at, answer] of (await Promise.all(asked)).entries()) {
    const [path, status] = expected[at] ?? ["", 0];
    verdict.expect(answer.status === status, `${path} got ${tellAnswer(answer)}, not ${status}`);
  }
  verdict.did = `--timeout ${times.join(", ")}; requests of ${LONG_SECONDS} s`;
  await expectWhole(subject, verdict, 50);
}
