// Workers that are replaced by age, size or number of requests, under load: no request may fail.

import { until } from "../../../test/support/deadline.ts";
import { get } from "../client.ts";
import { ClosedLoad, mixedRequest } from "../closed-load.ts";
import type { Subject } from "../subject.ts";
import { counts, isPlain, type Stage, type Trial } from "../trial.ts";

const MAX_REQUESTS = 200;
const JITTER = 50;
/** Above a worker's size at its start; and the memory that each hoarding request takes. */
const MAX_RSS = "96M";
const HOARD_EVERY = 50;
const HOARD_MIB = 8;
/** By age and by size it goes on until so many are replaced. */
const MIN_REPLACED = 3;
const REPLACED_MS = 60_000;

export const RECYCLING: readonly Trial[] = [
  {
    name: "recycling.requests",
    promise: "Replacing each worker after 200 requests fails no request",
    servers: ["typhon", "gunicorn-gthread", "nginx-gunicorn", "uvicorn"],
    whyNot: "Granian replaces workers by age and memory only",
    apps: ["raw", "flask", "asgi", "fastapi"],
    run: (stage) => run(stage, "--max-requests", String(MAX_REQUESTS)),
  },
  {
    name: "recycling.rss",
    promise: "Replacing each worker that uses more memory than a limit fails no request",
    servers: ["typhon"],
    whyNot: "only Granian has such a setting, and checks it every 30 s",
    apps: ["raw", "asgi"],
    run: (stage) => run(stage, "--max-rss", MAX_RSS),
  },
  {
    name: "recycling.age",
    promise: "Replacing each worker after one second fails no request",
    servers: ["typhon"],
    whyNot: "only Granian has such a setting, and its unit is hours",
    apps: ["raw", "asgi"],
    run: (stage) => run(stage, "--max-age", "1"),
  },
];

async function run(stage: Stage, option: string, value: string): Promise<void> {
  const { verdict } = stage;
  const isCounted = option === "--max-requests";
  const isThorough = isPlain(stage.app) && stage.server === "typhon" && isCounted;
  const requests = !isCounted
    ? Infinity
    : isThorough
      ? counts(stage, 1_200, 20_000, 100_000)
      : 2_000;
  const flags = isCounted
    ? [option, value, "--max-requests-jitter", String(JITTER)]
    : [option, value];
  const uvicornFlags = ["--limit-max-requests", value, "--limit-max-requests-jitter", `${JITTER}`];
  const subject = await stage.start({
    extras: { typhon: flags, gunicorn: flags, uvicorn: uvicornFlags },
  });
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 12,
    fresh: 4,
    requests,
    request: option === "--max-rss" ? hoardingRequest : mixedRequest,
  });
  // A framework takes a while to import: no more requests than a replacement has time for.
  if (!isPlain(stage.app)) load.pauseMs = 20;
  const going = load.run();
  if (!isCounted) {
    // As many requests as there are until some workers have grown old or large.
    load.pauseMs = 8;
    const isEnough = (): boolean => replacedSoFar(subject) >= MIN_REPLACED;
    await until("some workers are replaced", isEnough, REPLACED_MS).catch(() => undefined);
    load.stop();
  }
  await going;
  // One at a time, and a start takes a while: half of what the count alone would make.
  const least = isCounted ? Math.floor(requests / (MAX_REQUESTS + JITTER) / 4) : MIN_REPLACED;
  // Workers that have run their requests are replaced one after the other, also when the load has ended.
  const isReplaced = (): boolean => replacedSoFar(subject) >= least;
  await until("enough workers are replaced", isReplaced, REPLACED_MS).catch(() => undefined);
  const replaced = replacedSoFar(subject);
  verdict.did = `${load.asked} requests`;
  verdict.figure("workers replaced", replaced, "");
  const stale = load.stale > 0 ? `; ${load.stale} as an idle connection was closed` : "";
  verdict.expect(load.failed === 0, `${load.failed} failed: ${load.tellFailures()}${stale}`);
  verdict.expect(replaced >= least, `only ${replaced} workers were replaced`);
}

function replacedSoFar(subject: Subject): number {
  return subject.notes.starts().length - subject.workers;
}

function hoardingRequest(index: number): string {
  return index % HOARD_EVERY === 0 ? get(`/hoard?mib=${HOARD_MIB}`) : mixedRequest(index);
}
