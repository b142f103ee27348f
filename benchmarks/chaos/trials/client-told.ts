// An application can ask whether the client of a running request has left: environ["typhon.client_gone"]().

import { until } from "../../../test/support/deadline.ts";
import { clockMs } from "../../load/arrivals.ts";
import { expectWhole } from "../aftermath.ts";
import { Client, get } from "../client.ts";
import type { Subject } from "../subject.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

/** As many as there are threads. */
const CLIENTS = 8;
/** The application looks every 10 ms. */
const MAX_TOLD_MS = 500;

export const CLIENT_TOLD: readonly Trial[] = [
  {
    name: "client-leaves.told",
    promise: "A running request learns at once that its client has reset the connection",
    servers: ["typhon"],
    whyNot: "WSGI has no such feature, and no other server adds it",
    apps: ["raw", "flask", "asgi", "fastapi"],
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = counts(stage, 1, 5);
  const subject = await stage.start();
  let slowest = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const clients = Array.from({ length: CLIENTS }, () => new Client(subject.port));
    const asked = clients.map((client) => client.ask(get("/wait_for_leaving")));
    await waitForNotes(subject, "begun", round * CLIENTS);
    const since = clockMs();
    for (const client of clients) client.reset();
    await waitForNotes(subject, "told", round * CLIENTS);
    slowest = Math.max(slowest, clockMs() - since);
    await Promise.all(asked);
  }
  const told = count(subject, "told");
  verdict.did = `${rounds * CLIENTS} clients reset while their requests ran`;
  verdict.expect(told === rounds * CLIENTS, `${told} of ${rounds * CLIENTS} requests were told`);
  verdict.figure("until the last one was told", slowest, "ms");
  verdict.expectInTime(
    slowest <= MAX_TOLD_MS,
    `it took ${slowest.toFixed(0)} ms until all were told`,
  );
  await expectWhole(subject, verdict, 50);
}

async function waitForNotes(subject: Subject, note: string, wanted: number): Promise<void> {
  // A note that does not come shows in the counts.
  await until(note, () => count(subject, note) >= wanted, subject.patienceMs).catch(
    () => undefined,
  );
}

function count(subject: Subject, note: string): number {
  return subject.notes.lines("leavings").filter((line) => line === note).length;
}
