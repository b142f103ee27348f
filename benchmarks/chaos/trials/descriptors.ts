// A process that may open 256 files: idle connections make room for new ones; where none is idle, new ones
// are refused; nothing spins; and room that is free again is used at once.

import { setTimeout as sleep } from "node:timers/promises";

import { clockMs } from "../../load/arrivals.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, Client, get, tellAnswer, type Answer } from "../client.ts";
import type { Subject } from "../subject.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

const LIMIT = 256;
const IDLE_CLIENTS = 400;
const BUSY_CLIENTS = 400;
/** Uploads that are added until no place is left: refused ones of the burst free places as they end. */
const MAX_ADDED = 60;
/** So many uploads refused one after the other show that no place is left. */
const REFUSED_IN_A_ROW = 5;
const PROBE_EVERY_MS = 20;
/** Places that the server may find while it is full. */
const MAX_FOUND = 5;
/** Share of one core, with 50 refusals a second. */
const MAX_CPU = 0.5;
const RECOVERY_MS = 1000;
const PEER_PATIENCE_MS = 3000;

export const DESCRIPTORS: readonly Trial[] = [
  {
    name: "machine.descriptors",
    promise:
      "With 256 descriptors: idle connections are closed first, then new ones get 503; no busy loop; the server recovers within 1 s",
    servers: ["typhon", "gunicorn-gthread", "granian", "uvicorn"],
    whyNot: "nginx has its own setting for connections",
    apps: ["raw", "asgi"],
    short: ["raw"],
    isSlow: true,
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const subject = await stage.start({ maxDescriptors: LIMIT });
  await fillWithIdle(stage, subject);
  await fillWithBusy(stage, subject);
  verdict.did = `ulimit -n ${LIMIT}: ${IDLE_CLIENTS} idle connections, then ${BUSY_CLIENTS} uploads that do not go on`;
  await expectWhole(subject, verdict, 50);
}

/** Each new client gets a response, and then stays connected. */
async function fillWithIdle({ verdict }: Stage, subject: Subject): Promise<void> {
  const patienceMs = patienceOf(subject);
  const clients: Client[] = [];
  const failures = new Map<string, number>();
  for (let at = 0; at < IDLE_CLIENTS; at += 1) {
    const client = new Client(subject.port);
    clients.push(client);
    const answer = await client.ask(get("/quick"), patienceMs);
    if (answer.status === 200) continue;
    const what = tellAnswer(answer);
    failures.set(what, (failures.get(what) ?? 0) + 1);
    // Each further silent client would be waited for in full.
    if (failures.get("silent") === 3) break;
  }
  for (const [what, count] of failures)
    verdict.expect(false, `${count} new clients beside idle ones: ${what}`);
  for (const client of clients) client.close();
  await sleep(300);
}

async function fillWithBusy(stage: Stage, subject: Subject): Promise<void> {
  const { verdict } = stage;
  const patienceMs = patienceOf(subject);
  const plateauMs = counts(stage, 1000, 2000);
  const head = `POST /upload HTTP/1.1\r\nHost: chaos\r\nContent-Length: 1000000\r\n\r\n`;
  const beginning = head + "x".repeat(1000);
  const busy: Client[] = [];
  const asked: Promise<Answer>[] = [];
  const upload = (): Promise<Answer> => {
    const client = new Client(subject.port);
    const answer = client.ask(beginning);
    busy.push(client);
    asked.push(answer);
    // A refused client leaves at once: a place that it still held would become free during the trial.
    void answer.then(() => client.close());
    return answer;
  };
  for (let at = 0; at < BUSY_CLIENTS; at += 1) void upload();
  await sleep(500);
  await fillLastPlaces(upload);
  const before = { cpu: subject.cpuSeconds(), at: clockMs() };
  const probing: Promise<string>[] = [];
  const probe = async (): Promise<string> => {
    const answer = await askOnce(subject.port, get("/quick"), patienceMs);
    // The server has counted its own descriptors anew and found a place: an upload takes the place.
    if (answer.status === 200) void upload();
    return tellAnswer(answer);
  };
  while (clockMs() - before.at < plateauMs) {
    probing.push(probe());
    await sleep(PROBE_EVERY_MS);
  }
  const cpu = (subject.cpuSeconds() - before.cpu) / ((clockMs() - before.at) / 1000);
  verdict.figure("processor when full", cpu, "cores");
  verdict.expectInTime(cpu <= MAX_CPU, `${cpu.toFixed(2)} cores were busy while it was full`);
  const probes = new Map<string, number>();
  for (const what of await Promise.all(probing)) probes.set(what, (probes.get(what) ?? 0) + 1);
  for (const [what, count] of probes) {
    const text = `${count} of ${probing.length} new clients when full: ${what}`;
    // When refused clients are slow to leave, the server closes without a response to save descriptors.
    if (what === "unanswered") verdict.expectInTime(false, text);
    else verdict.expect(what === "503" || (what === "200" && count <= MAX_FOUND), text);
  }
  verdict.expect(probes.has("503"), "no new client was told to come again (503)");
  for (const client of busy) client.close();
  const since = clockMs();
  await Promise.all(asked);
  let answer = await askOnce(subject.port, get("/quick"), patienceMs);
  while (answer.status !== 200 && clockMs() - since < 10 * patienceMs) {
    await sleep(10);
    answer = await askOnce(subject.port, get("/quick"), patienceMs);
  }
  const recovery = clockMs() - since;
  verdict.expect(answer.status === 200, "it was never served again");
  verdict.figure("served again", recovery, "ms");
  verdict.expectInTime(
    recovery <= RECOVERY_MS,
    `served again only after ${recovery.toFixed(0)} ms`,
  );
}

/** Adds uploads until several in a row are refused. */
async function fillLastPlaces(upload: () => Promise<Answer>): Promise<void> {
  let refused = 0;
  for (let added = 0; added < MAX_ADDED && refused < REFUSED_IN_A_ROW; added += 1) {
    const isRefused = (await Promise.race([upload(), sleep(100)])) !== undefined;
    refused = isRefused ? refused + 1 : 0;
    await sleep(PROBE_EVERY_MS);
  }
}

function patienceOf({ server, patienceMs }: Subject): number {
  return server === "typhon" ? patienceMs : PEER_PATIENCE_MS;
}
