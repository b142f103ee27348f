// Temporary space that is full, or a limit of file sizes: an upload that does not fit is refused, other
// requests go on, and the space is freed.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { until } from "../../../test/support/deadline.ts";
import { listDescriptors } from "../../../test/support/processes.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, post, tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import type { Subject } from "../subject.ts";
import { mountTmpfs, usedBytes } from "../tmpfs.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

const SPACE = "4m";
/** The notes of a worker are a file of more than 8 MiB. */
const QUOTA_KIB = 10_240;
const TOO_LARGE_BYTES = 12 << 20;
const FITTING_BYTES = 2 << 20;

const PROMISE = "gets 507, other requests are served, and the space is freed";

export const TEMP_SPACE: readonly Trial[] = [
  {
    name: "machine.temp-space",
    promise: `An upload that does not fit into the temporary folder ${PROMISE}`,
    servers: ["typhon"],
    whyNot: "only nginx keeps uploads in files as well",
    apps: ["raw", "flask"],
    short: ["raw"],
    run: runFull,
  },
  {
    name: "machine.temp-quota",
    promise: `An upload larger than the limit of the server's files (RLIMIT_FSIZE) ${PROMISE}`,
    servers: ["typhon"],
    whyNot: "only nginx keeps uploads in files as well",
    apps: ["raw"],
    short: ["raw"],
    run: runQuota,
  },
];

async function runFull(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = join(stage.folder, "small");
  mountTmpfs(stage, folder, SPACE);
  const subject = await stage.start({ extras: { typhon: ["--temp-dir", folder] } });
  const used = usedBytes(folder);
  await upload(stage, subject, "4 MiB", async () => {
    const isFree = (): boolean => usedBytes(folder) <= used;
    await until("the space is free", isFree, subject.patienceMs).catch(() => undefined);
    verdict.expect(isFree(), `${usedBytes(folder) - used} bytes are still used`);
  });
}

async function runQuota(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = join(stage.folder, "limited");
  mkdirSync(folder);
  const subject = await stage.start({
    maxFileKib: QUOTA_KIB,
    extras: { typhon: ["--temp-dir", folder] },
  });
  await upload(stage, subject, "10 MiB", async () => {
    const open = (): number =>
      listDescriptors(subject.front.pid).filter((path) => path.startsWith(folder)).length;
    await until("no file is open", () => open() === 0, subject.patienceMs).catch(() => undefined);
    verdict.expect(open() === 0, `${open()} temporary files are still open`);
  });
}

/** Uploads that do not fit beside other requests, then `expectFree`, then one that fits. */
async function upload(
  stage: Stage,
  subject: Subject,
  limit: string,
  expectFree: () => Promise<void>,
): Promise<void> {
  const { verdict } = stage;
  const uploads = counts(stage, 3, 20);
  const load = new ClosedLoad({ port: subject.port, keptAlive: 3, fresh: 1, requests: Infinity });
  load.pauseMs = 5;
  const going = load.run();
  for (let at = 0; at < uploads; at += 1) {
    const answer = await askOnce(subject.port, post("/upload", "x".repeat(TOO_LARGE_BYTES)));
    verdict.expect(answer.status === 507, `an upload that does not fit got ${tellAnswer(answer)}`);
  }
  await expectFree();
  const fitting = await askOnce(subject.port, post("/upload", "x".repeat(FITTING_BYTES)));
  verdict.expect(
    fitting.status === 200 && fitting.body === String(FITTING_BYTES),
    `an upload that fits got ${tellAnswer(fitting)} afterwards`,
  );
  load.stop();
  await going;
  verdict.did = `${uploads} uploads of 12 MiB into ${limit}, ${load.asked} others`;
  verdict.expect(load.failed === 0, `others failed: ${load.tellFailures()}`);
  await expectWhole(subject, verdict, 50);
}
