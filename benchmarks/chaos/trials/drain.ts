// The end of a server while it works: what runs is answered, nothing new is taken, nothing is left. And
// an operator who asks twice is not kept waiting.

import { setTimeout as sleep } from "node:timers/promises";

import { within } from "../../../test/support/deadline.ts";
import { clockMs } from "../../load/arrivals.ts";
import { askOnce, Client, fieldOf, get, tellAnswer } from "../client.ts";
import { SERVER_NAMES, type Stage, type Trial } from "../trial.ts";

const REQUESTS = 16;
const RUN_SECONDS = 0.5;
/** A server that has to end at once has ended within this. */
const AT_ONCE_MS = 1000;
const GONE_MS = 2000;

export const DRAIN: readonly Trial[] = [
  {
    name: "drain.running",
    promise:
      "SIGTERM: all that runs is answered with Connection: close, exit code 0, nothing is left",
    servers: SERVER_NAMES,
    apps: ["raw", "flask"],
    run: runDrain,
  },
  {
    name: "drain.second-signal",
    promise: "A second SIGTERM ends everything at once",
    servers: ["typhon"],
    apps: ["raw"],
    run: runSecondSignal,
  },
];

async function runDrain(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const subject = await stage.start({ workers: 4 });
  const clients = Array.from({ length: REQUESTS }, () => new Client(subject.port));
  const idle = new Client(subject.port);
  await idle.ask(get("/quick"));
  const asked = clients.map((client) => client.ask(get(`/sleep?s=${RUN_SECONDS}`)));
  await sleep(RUN_SECONDS * 500);
  const since = clockMs();
  const stopping = subject.stop();
  await sleep(50);
  const late = await askOnce(subject.port, get("/quick"), 5000);
  const answers = await Promise.all(asked);
  const exit = await stopping;
  verdict.did = `SIGTERM with ${REQUESTS} requests of ${RUN_SECONDS} s running`;
  verdict.figure("from the signal to the end", clockMs() - since, "ms");
  for (const answer of answers) {
    verdict.expect(answer.status === 200, `a running request got ${tellAnswer(answer)}`);
    const connection = fieldOf(answer, "connection").toLowerCase();
    if (answer.status === 200)
      verdict.expect(connection === "close", `an answer said Connection: "${connection}"`);
  }
  // Who comes now may be refused or be told so; silence would be neither.
  const isTold = late.end === "refused" || late.status === 503 || late.status === 200;
  verdict.expect(isTold, `a new client got ${tellAnswer(late)}`);
  verdict.expect(exit !== null && exit.code === 0, `exit ${exit?.code ?? exit?.signal ?? "never"}`);
  verdict.expect(
    await subject.isGone(GONE_MS),
    `${subject.processes().length} processes were left`,
  );
  idle.close();
}

async function runSecondSignal(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const subject = await stage.start();
  const clients = Array.from({ length: 8 }, () => new Client(subject.port));
  const asked = clients.map((client) => client.ask(get("/sleep_long")));
  await sleep(200);
  subject.signal("SIGTERM");
  await sleep(300);
  verdict.expect(!subject.main.hasExited, "the first signal did not wait for what runs");
  const since = clockMs();
  subject.signal("SIGTERM");
  verdict.did = "SIGTERM twice with 8 requests running that never end";
  try {
    await within(AT_ONCE_MS, subject.main.exited, "the end");
    verdict.figure("from the second signal to the end", clockMs() - since, "ms");
  } catch {
    verdict.expect(false, `it ran on for more than ${AT_ONCE_MS} ms`);
  }
  verdict.expect(
    await subject.isGone(GONE_MS),
    `${subject.processes().length} processes were left`,
  );
  for (const client of clients) client.close();
  await Promise.all(asked);
}
