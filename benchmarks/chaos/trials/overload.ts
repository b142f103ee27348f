// Ten times as many requests as the application can answer. It still answers as many as it can; the rest
// gets 503 at once; the server itself stays small and responsive.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { percentile } from "../../statistics.ts";
import { expectWhole } from "../aftermath.ts";
import { Client, get } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import { OpenLoad } from "../open-load.ts";
import type { Subject } from "../subject.ts";
import { counts, type Stage, type Trial } from "../trial.ts";
import { readVitals } from "../vitals.ts";

/** 2 workers × 4 threads (ASGI: 4 at once) asleep for 40 ms: 200 requests a second. */
const PAGE = "/sleep?s=0.04";
const NOMINAL_PER_SECOND = 200;
const OFFERED_PER_SECOND = 2000;
/** Beside other trials; still five times too many. */
const SHORT_OFFERED_PER_SECOND = 1000;
/** Least share of the rate without overload. */
const MIN_SHARE = 0.9;
/** 95th percentile of refusals, as measured by a client that is itself busy. */
const MAX_REFUSAL_MS = 250;
/** The same in the front, from the request's head to the answer: the promise. */
const MAX_FRONT_REFUSAL_MS = 10;
const MAX_LIVEZ_MS = 100;
const MAX_GROWTH_BYTES = 128 << 20;
const PATIENCE_MS = 15_000;

export const OVERLOAD: readonly Trial[] = [
  {
    name: "overload",
    promise:
      "At ten times its capacity a server keeps its throughput and refuses the rest with 503 and Retry-After, 95 of 100 of them at once",
    servers: ["typhon", "gunicorn-gthread", "granian", "nginx-gunicorn"],
    asgiServers: ["typhon"],
    whyNot:
      "under ASGI no other server limits the number of running requests, so sleeping requests are never too many",
    apps: ["raw", "flask", "asgi", "fastapi"],
    isSlow: true,
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict, server } = stage;
  const seconds = counts(stage, 2, 10);
  const waiting = String(counts(stage, 1, 5));
  const accessLog = join(stage.folder, "access.log");
  const subject = await stage.start({
    extras: { typhon: ["--health", "--queue-timeout", waiting, `--access-log=${accessLog}`] },
  });
  const capacity = await findCapacity(subject, counts(stage, 0.5, 2));
  const before = readVitals([subject.front.pid]).rssBytes;
  const offered = new OpenLoad({
    port: subject.port,
    request: get(PAGE),
    perSecond: verdict.isTimed ? OFFERED_PER_SECOND : SHORT_OFFERED_PER_SECOND,
    seconds,
    maxConnections: 15_000,
    patienceMs: PATIENCE_MS,
  });
  const watch = new Watch(subject);
  const watching = watch.run();
  await offered.run();
  watch.stop();
  await watching;
  const answered = (offered.inTime.get("200") ?? 0) / seconds;
  verdict.did = `${offered.offered} requests in ${seconds} s where ${NOMINAL_PER_SECOND}/s can be done: ${offered.tellOutcomes()}`;
  verdict.figure("answered with 200, without overload", capacity, "/s");
  verdict.figure("answered with 200 under it", answered, "/s");
  verdict.figure("slowest 200 (p99)", offered.percentile("200", 0.99), "ms");
  verdict.figure("503 (p95)", offered.percentile("503", 0.95), "ms");
  verdict.figure("503 (p99)", offered.percentile("503", 0.99), "ms");
  verdict.figure("growth of the front", (watch.rssBytes - before) / 2 ** 20, "MiB");
  verdict.expect(answered > 0, "nobody was answered with 200");
  verdict.expectInTime(
    answered >= capacity * MIN_SHARE,
    `${answered.toFixed(0)} of ${capacity.toFixed(0)} requests/s were answered with 200`,
  );
  verdict.expect(offered.count("503") > 0, "nobody was told to come again (503 with Retry-After)");
  verdict.expectInTime(
    offered.percentile("503", 0.95) <= MAX_REFUSAL_MS,
    `refusals took ${offered.percentile("503", 0.95).toFixed(0)} ms (p95)`,
  );
  for (const [what, times] of offered.outcomes)
    verdict.expect(what === "200" || what === "503", `${times.length} requests: ${what}`);
  verdict.expectInTime(
    watch.rssBytes - before <= MAX_GROWTH_BYTES,
    `the front grew by ${((watch.rssBytes - before) / 2 ** 20).toFixed(0)} MiB`,
  );
  if (server === "typhon") {
    const inFront = refusalP95(accessLog);
    verdict.figure("503 in the front (p95)", inFront, "ms");
    verdict.expectInTime(
      inFront <= MAX_FRONT_REFUSAL_MS,
      `refusals took ${inFront.toFixed(1)} ms in the front (p95)`,
    );
    verdict.figure("/livez meanwhile, slowest", watch.livezMs, "ms");
    verdict.expect(
      watch.failedLivez === 0,
      `${watch.failedLivez} times /livez was not answered 200`,
    );
    verdict.expectInTime(
      watch.livezMs <= MAX_LIVEZ_MS,
      `/livez took ${watch.livezMs.toFixed(0)} ms`,
    );
  }
  await expectWhole(subject, verdict, counts(stage, 50, 1000));
}

/** From the head to a 503, ms, as the server itself has logged it. */
function refusalP95(accessLog: string): number {
  const lines = readFileSync(accessLog, "latin1").split("\n").slice(0, -1);
  const times = lines.flatMap((line) => {
    const entry: unknown = JSON.parse(line);
    const isRefusal = Reflect.get(Object(entry), "status") === 503;
    return isRefusal ? [Number(Reflect.get(Object(entry), "totalMs"))] : [];
  });
  return times.length === 0 ? 0 : percentile(Float64Array.from(times).sort(), 0.95);
}

/** Responses a second without overload. */
async function findCapacity({ port }: Subject, seconds: number): Promise<number> {
  const load = new ClosedLoad({
    port,
    keptAlive: 12,
    fresh: 0,
    requests: Infinity,
    request: () => get(PAGE),
  });
  const going = load.run();
  await sleep(300);
  const before = load.right;
  await sleep(seconds * 1000);
  const perSecond = (load.right - before) / seconds;
  load.stop();
  await going;
  return perSecond;
}

/** Watches the front: its memory, and its response to /livez. */
class Watch {
  rssBytes = 0;
  livezMs = 0;
  failedLivez = 0;
  readonly #subject: Subject;
  #isOver = false;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  async run(): Promise<void> {
    const client = new Client(this.#subject.port);
    while (!this.#isOver) {
      if (this.#subject.server === "typhon") {
        const answer = await client.ask(get("/livez"), PATIENCE_MS);
        this.livezMs = Math.max(this.livezMs, answer.ms);
        if (answer.status !== 200) this.failedLivez += 1;
      }
      if (!this.#subject.front.hasExited)
        this.rssBytes = Math.max(this.rssBytes, readVitals([this.#subject.front.pid]).rssBytes);
      await sleep(20);
    }
    client.close();
  }

  stop(): void {
    this.#isOver = true;
  }
}
