// A server that is stopped while it works: running requests get their responses, new ones are not taken,
// no process is left. A second signal ends it at once.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { until, within } from "../../../test/support/deadline.ts";
import { clockMs } from "../../load/arrivals.ts";
import { askOnce, fieldOf, get, tellAnswer } from "../client.ts";
import { holdRequests } from "../held-requests.ts";
import type { Subject } from "../subject.ts";
import { openConnection } from "../transport.ts";
import { APP_NAMES, SERVER_NAMES, type Stage, type Trial, type Verdict } from "../trial.ts";

const REQUESTS = 12;
/** A server that has to end at once ends within this. */
const AT_ONCE_MS = 1000;
/** Longer than any trial: only the second signal can end the server before. */
const GRACEFUL_SECONDS = "600";
const GONE_MS = 20_000;
/** A server that logs nothing has taken the signal by then. */
const PEER_HEARD_MS = 500;

export const DRAIN: readonly Trial[] = [
  {
    name: "drain.running",
    promise:
      "SIGTERM: no new connection is accepted, idle connections are closed at once, running requests finish with Connection: close, exit code 0, no process is left",
    servers: SERVER_NAMES,
    whyNot: "",
    apps: APP_NAMES,
    run: runDrain,
  },
  {
    name: "drain.second-signal",
    promise: "A second SIGTERM ends everything at once",
    servers: ["typhon"],
    whyNot: "the other servers use other signals for this",
    apps: ["raw", "asgi"],
    run: runSecondSignal,
  },
];

async function runDrain(stage: Stage): Promise<void> {
  const { verdict, server } = stage;
  const subject = await stage.start({ workers: 4 });
  const idle = await openIdle(subject.port);
  const held = holdRequests(subject, { count: REQUESTS });
  const running = await held.waitForRunning(REQUESTS, subject.patienceMs);
  if (server === "typhon")
    verdict.expect(running === REQUESTS, `${running} of ${REQUESTS} requests ran`);
  const since = clockMs();
  const stopping = subject.stop();
  if (server === "typhon") await untilStopping(subject);
  else await sleep(PEER_HEARD_MS);
  const late = await askOnce(subject.port, get("/quick"), subject.patienceMs);
  // A new connection may be refused or get a 503; silence is neither.
  const isTold = late.end === "refused" || late.status === 503;
  verdict.expect(isTold, `a new client got ${tellAnswer(late)}`);
  await within(subject.patienceMs, idle.ended, "close").catch(() =>
    verdict.expect(false, "an idle connection was not closed before the running requests ended"),
  );
  const answers = await held.release();
  const exit = await stopping;
  verdict.did = `SIGTERM with ${REQUESTS} requests running and an idle connection`;
  verdict.figure("from the signal to the end", clockMs() - since, "ms");
  for (const answer of answers) {
    verdict.expect(answer.status === 200, `a running request got ${tellAnswer(answer)}`);
    const connection = fieldOf(answer, "connection").toLowerCase();
    if (answer.status === 200)
      verdict.expect(connection === "close", `an answer said Connection: "${connection}"`);
  }
  verdict.expect(exit !== null && exit.code === 0, `exit ${exit?.code ?? exit?.signal ?? "never"}`);
  await expectGone(subject, verdict);
}

/** An idle connection that has had a response; and its end. */
async function openIdle(port: number): Promise<{ readonly ended: Promise<void> }> {
  const socket = openConnection(port, true);
  socket.on("error", () => undefined); // "close" follows and says all.
  const ended = Promise.withResolvers<void>();
  socket.on("close", () => ended.resolve());
  socket.write(get("/quick"));
  await once(socket, "data");
  socket.resume();
  return { ended: ended.promise };
}

async function runSecondSignal(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const subject = await stage.start({
    extras: { typhon: [`--graceful-timeout=${GRACEFUL_SECONDS}`, "--timeout=0"] },
  });
  const held = holdRequests(subject, { count: 8 });
  await held.waitForRunning(8, subject.patienceMs);
  subject.signal("SIGTERM");
  await untilStopping(subject);
  verdict.expect(!subject.main.hasExited, "the first signal did not wait for what runs");
  const since = clockMs();
  subject.signal("SIGTERM");
  verdict.did = "SIGTERM twice with 8 requests running that never end";
  const endMs = verdict.isTimed ? AT_ONCE_MS : subject.patienceMs;
  try {
    await within(endMs, subject.main.exited, "the end");
    verdict.figure("from the second signal to the end", clockMs() - since, "ms");
  } catch {
    verdict.expect(false, `it ran on for more than ${endMs} ms`);
  }
  await expectGone(subject, verdict);
  for (const answer of await held.release())
    verdict.expect(answer.status === 0, `a request that was cut got ${tellAnswer(answer)}`);
}

async function untilStopping(subject: Subject): Promise<void> {
  const isStopping = (): boolean => subject.events("server.stopping").length > 0;
  await until("the log tells of the stop", isStopping, subject.patienceMs);
}

async function expectGone(subject: Subject, verdict: Verdict): Promise<void> {
  const isGone = await subject.isGone(GONE_MS);
  verdict.expect(isGone, `${subject.processes().length} processes were left`);
}
