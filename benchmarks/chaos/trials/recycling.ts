// Workers that are replaced though nothing is wrong with them, under load: nobody may notice.

import { ClosedLoad, mixedRequest } from "../closed-load.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

const MAX_REQUESTS = 500;
const JITTER = 50;

export const RECYCLING: readonly Trial[] = [
  {
    name: "recycling.requests",
    promise: "Replacing each worker after 500 requests fails no request",
    servers: ["typhon", "gunicorn-gthread", "nginx-gunicorn"],
    apps: ["raw", "flask"],
    run: (stage) => run(stage, "--max-requests", String(MAX_REQUESTS)),
  },
  {
    name: "recycling.age",
    promise: "Replacing each worker after a second fails no request",
    servers: ["typhon"],
    apps: ["raw"],
    run: (stage) => run(stage, "--max-age", "1"),
  },
];

async function run(stage: Stage, option: string, value: string): Promise<void> {
  const { verdict } = stage;
  const isCounted = option === "--max-requests";
  const isWhole = stage.app === "raw" && stage.server === "typhon" && isCounted;
  const requests = isWhole ? counts(stage, 5_000, 100_000) : 5_000;
  const flags = isCounted
    ? [option, value, "--max-requests-jitter", String(JITTER)]
    : [option, value];
  const subject = await stage.start({ extras: { typhon: flags, gunicorn: flags } });
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 12,
    fresh: 4,
    requests,
    request: mixedRequest,
  });
  // Slow enough that some workers grow old.
  if (!isCounted) load.pauseMs = 8;
  await load.run();
  const replaced = subject.notes.starts().length - subject.workers;
  verdict.did = `${load.asked} requests`;
  verdict.figure("workers replaced", replaced, "");
  const stale = load.stale > 0 ? `; ${load.stale} as an idle connection was closed` : "";
  verdict.expect(load.failed === 0, `${load.failed} failed: ${load.tellFailures()}${stale}`);
  // One at a time, and a start takes a while: half of what the count alone would make.
  const least = isCounted ? Math.floor(requests / (MAX_REQUESTS + JITTER) / 4) : 1;
  verdict.expect(replaced >= least, `only ${replaced} workers were replaced`);
}
