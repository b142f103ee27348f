// The queue in front of busy workers: no longer than --queue, no request waits beyond --queue-timeout,
// requests of clients that have left are not run, and /livez and /readyz do not wait in it.

import { connect, type Socket } from "node:net";

import { setTimeout as sleep } from "node:timers/promises";

import { until, within } from "../../../test/support/deadline.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, Client, get, post, tellAnswer, type Answer } from "../client.ts";
import { holdRequests, type HeldRequests } from "../held-requests.ts";
import type { Subject } from "../subject.ts";
import type { Stage, Trial, Verdict } from "../trial.ts";

const QUEUE = 20;
const CLIENTS = 100;
/** Longer than any request waits here. */
const LONG_SECONDS = 600;
const SHORT_SECONDS = 1;
const LEAVERS = 16;
/** Longer than the server's 250 ms, of a busy machine too. */
const HALF_CLOSED_MS = 1500;

const ONLY_OURS = "no other server has a queue of requests";

export const QUEUE_TRIALS: readonly Trial[] = [
  {
    name: "overload.queue",
    promise:
      "With all threads stuck, as many requests as --queue says wait, each further one gets 503 with Retry-After at once, /livez and /readyz respond, and waiting requests are served later",
    servers: ["typhon"],
    whyNot: ONLY_OURS,
    apps: ["raw", "asgi"],
    short: ["asgi"],
    run: runFull,
  },
  {
    name: "overload.queue-timeout",
    promise:
      "A request that waits longer than --queue-timeout gets 503 and is never run afterwards",
    servers: ["typhon"],
    whyNot: ONLY_OURS,
    apps: ["raw", "asgi"],
    run: runLate,
  },
  {
    name: "overload.left",
    promise: "A waiting request whose client has left, by reset or by FIN, is not run",
    servers: ["typhon"],
    whyNot: ONLY_OURS,
    apps: ["raw", "asgi"],
    run: runLeft,
  },
];

async function runFull(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const flags = [`--queue=${QUEUE}`, `--queue-timeout=${LONG_SECONDS}`, "--health"];
  const { subject, stuck } = await startStuck(stage, flags);
  const clients = Array.from({ length: CLIENTS }, () => new Client(subject.port));
  const refused: Answer[] = [];
  const asked = clients.map(async (client, at) => {
    const answer = await client.ask(
      post(`/token?t=${at + 1}`, `${at + 1}`),
      2 * subject.patienceMs,
    );
    if (answer.status === 503) refused.push(answer);
    return answer;
  });
  const wanted = CLIENTS - QUEUE;
  await until("the rest is refused", () => refused.length >= wanted, subject.patienceMs).catch(() =>
    verdict.expect(false, `${refused.length} of ${CLIENTS} were refused, not ${wanted}`),
  );
  for (const path of ["/livez", "/readyz"]) {
    const answer = await askOnce(subject.port, get(path), subject.patienceMs);
    verdict.expect(answer.status === 200, `${path} got ${tellAnswer(answer)}`);
  }
  verdict.expect(refused.length === wanted, `${refused.length} were refused, not ${wanted}`);
  for (const answer of refused)
    verdict.expect(tellAnswer(answer) === "503", `a refusal was ${tellAnswer(answer)}`);
  verdict.figure("slowest refusal", Math.max(0, ...refused.map(({ ms }) => ms)), "ms");
  await expectServed(stuck, verdict);
  const served = (await Promise.all(asked)).filter(({ status }) => status === 200).length;
  verdict.expect(served === QUEUE, `${served} of those that waited were served, not ${QUEUE}`);
  const runs = subject.notes.lines("runs").length;
  verdict.expect(runs === served, `${runs} were run, ${served} were answered`);
  for (const client of clients) client.close();
  verdict.did = `--queue ${QUEUE}, all threads stuck, ${CLIENTS} clients`;
  await expectWhole(subject, verdict, 50);
}

async function runLate(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const { subject, stuck } = await startStuck(stage, [`--queue-timeout=${SHORT_SECONDS}`]);
  const asked = Array.from({ length: LEAVERS }, (_, at) =>
    askOnce(subject.port, post(`/token?t=${at + 1}`, `${at + 1}`), subject.patienceMs),
  );
  let latest = 0;
  for (const answer of await Promise.all(asked)) {
    verdict.expect(tellAnswer(answer) === "503", `who waited too long got ${tellAnswer(answer)}`);
    latest = Math.max(latest, answer.ms);
  }
  verdict.figure("latest 503", latest, "ms");
  await expectServed(stuck, verdict);
  await expectWhole(subject, verdict, 50);
  const runs = subject.notes.lines("runs").length;
  verdict.expect(runs === 0, `${runs} requests were run after their 503`);
  verdict.did = `--queue-timeout ${SHORT_SECONDS}, all threads stuck, ${LEAVERS} requests that wait`;
}

async function runLeft(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const flags = [`--queue-timeout=${LONG_SECONDS}`, "--health"];
  const { subject, stuck } = await startStuck(stage, flags);
  const sockets = Array.from({ length: LEAVERS }, (_, at) => new Waiting(subject.port, at + 1));
  await Promise.all(sockets.map((waiting) => within(subject.patienceMs, waiting.sent, "sent")));
  await roundTrips(subject);
  const left = sockets.map((waiting, at) => waiting.leave(at % 2 === 0));
  // A client that has closed only its sending side may still read the response: the server waits 250 ms.
  await sleep(HALF_CLOSED_MS);
  await roundTrips(subject);
  await expectServed(stuck, verdict);
  await within(subject.patienceMs, Promise.all(left), "the end of all connections").catch(() =>
    verdict.expect(false, "a connection whose client has left stays open"),
  );
  await expectWhole(subject, verdict, 50);
  const runs = subject.notes.lines("runs").length;
  verdict.expect(runs === 0, `${runs} requests were run though their clients had left`);
  verdict.did = `${LEAVERS} clients left while they waited for stuck threads, half by reset, half by FIN`;
}

/** A server whose threads all run requests that end when they are released. */
async function startStuck(
  stage: Stage,
  flags: readonly string[],
): Promise<{ subject: Subject; stuck: HeldRequests }> {
  const subject = await stage.start({ extras: { typhon: ["--timeout=0", ...flags] } });
  const count = subject.workers * subject.threads;
  const stuck = holdRequests(subject, { count, patienceMs: 2 * subject.patienceMs });
  const running = await stuck.waitForRunning(count, subject.patienceMs);
  stage.verdict.expect(running === count, `${running} of ${count} threads ran a request`);
  return { subject, stuck };
}

async function expectServed(stuck: HeldRequests, verdict: Verdict): Promise<void> {
  for (const answer of await stuck.release())
    verdict.expect(answer.status === 200, `a stuck request got ${tellAnswer(answer)}`);
}

/** Waits until the front has read all that was sent before. */
async function roundTrips(subject: Subject): Promise<void> {
  for (let count = 0; count < 3; count += 1)
    await askOnce(subject.port, get("/livez"), subject.patienceMs);
}

/** A request that waits, and its client. */
class Waiting {
  readonly sent: Promise<void>;
  readonly #socket: Socket;

  constructor(port: number, token: number) {
    // Half open, so that the server's own end is seen.
    this.#socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.#socket.on("error", () => undefined); // "close" follows and says all.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.sent = promise;
    this.#socket.write(post(`/token?t=${token}`, String(token)), () => resolve());
  }

  /** Resolves when the connection has ended on both sides. */
  leave(isReset: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.on("close", () => resolve());
    this.#socket.on("end", () => this.#socket.destroy());
    this.#socket.resume();
    if (isReset) this.#socket.resetAndDestroy();
    else this.#socket.end();
    return promise;
  }
}
