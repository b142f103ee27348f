// Several applications behind one front: one of them hangs, ends again and again, or floods the log. The other
// application and the files of the site do not notice.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ClosedLoad } from "../closed-load.ts";
import { get } from "../client.ts";
import { expectUndisturbed, SMALL_FILE } from "../neighbours.ts";
import type { Stage, Trial } from "../trial.ts";

/** Clients of the bad application: five times as many as it has threads. */
const BURDEN = 40;
/** The processor is to be busy with the fault, not with refusing thousands of requests a second. */
const BURDEN_PAUSE_MS = 100;

const FAULTS = [
  ["hangs", "hangs in every thread, with a full queue behind,", "/hang"],
  ["crashes", "ends with each of its requests", "/exit"],
  ["floods", "floods the log", "/flood"],
] as const;

export const SITE: readonly Trial[] = FAULTS.map(([name, words, page]) => ({
  name: `site.${name}`,
  promise: `An application that ${words} leaves the responses and the p99 of another one, and of files, as they were`,
  servers: ["typhon"],
  whyNot: "the other servers run one application",
  apps: ["raw", "asgi"],
  short: ["raw"],
  run: (stage) => runNeighbour(stage, page),
}));

async function runNeighbour(stage: Stage, page: string): Promise<void> {
  const { verdict } = stage;
  const files = join(stage.folder, "files");
  mkdirSync(files);
  writeFileSync(join(files, SMALL_FILE), "x".repeat(1000));
  const subject = await stage.start({
    // This program would be busy with reading a flood, and measure itself.
    before: ["sh", "-c", 'exec "$@" 2>/dev/null', "sh"],
    extras: {
      typhon: [
        "--mount=/bad=chaos_neighbour:app",
        `--static=/files=${files}`,
        // Requests that hang are not waited for at the end of the trial.
        "--graceful-timeout=1",
      ],
    },
  });
  const bad = new ClosedLoad({
    port: subject.port,
    keptAlive: BURDEN,
    fresh: 0,
    requests: Infinity,
    request: () => get(`/bad${page}`),
    patienceMs: 2000,
  });
  bad.pauseMs = BURDEN_PAUSE_MS;
  let going: Promise<void> = Promise.resolve();
  await expectUndisturbed(stage, subject, async () => {
    going = bad.run();
    return async () => {
      bad.stop();
      await going;
    };
  });
  verdict.did = `${bad.asked} requests to the bad one: ${bad.right} × 200, ${bad.tellFailures()}`;
  verdict.expect(bad.asked > 0, "the bad one was not asked");
}
