// Temporary space that is full: the upload that does not fit is refused, everybody else goes on, and the
// space is given back.

import { join } from "node:path";

import { until } from "../../../test/support/deadline.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, post, tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import { mountTmpfs, usedBytes } from "../tmpfs.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

const SPACE = "4m";
const TOO_LARGE_BYTES = 16 << 20;
const FITTING_BYTES = 2 << 20;
const GIVEN_BACK_MS = 5000;

export const TEMP_SPACE: readonly Trial[] = [
  {
    name: "machine.temp-space",
    promise:
      "An upload that does not fit into the temporary space gets 507, others are served, the space comes back",
    servers: ["typhon"],
    apps: ["raw"],
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = join(stage.folder, "small");
  mountTmpfs(stage, folder, SPACE);
  const subject = await stage.start({ extras: { typhon: ["--temp-dir", folder] } });
  const used = usedBytes(folder);
  const uploads = counts(stage, 4, 20);
  const load = new ClosedLoad({ port: subject.port, keptAlive: 3, fresh: 1, requests: Infinity });
  load.pauseMs = 2;
  const going = load.run();
  for (let at = 0; at < uploads; at += 1) {
    const answer = await askOnce(subject.port, post("/upload", "x".repeat(TOO_LARGE_BYTES)));
    verdict.expect(answer.status === 507, `an upload that does not fit got ${tellAnswer(answer)}`);
  }
  const isFree = (): boolean => usedBytes(folder) <= used;
  await until("the space is free", isFree, GIVEN_BACK_MS).catch(() => undefined);
  verdict.expect(isFree(), `${usedBytes(folder) - used} bytes are still used`);
  const fitting = await askOnce(subject.port, post("/upload", "x".repeat(FITTING_BYTES)));
  verdict.expect(
    fitting.status === 200 && fitting.body === String(FITTING_BYTES),
    `an upload that fits got ${tellAnswer(fitting)} afterwards`,
  );
  load.stop();
  await going;
  verdict.did = `${uploads} uploads of 16 MiB into 4 MiB, ${load.asked} others`;
  verdict.expect(load.failed === 0, `others failed: ${load.tellFailures()}`);
  await expectWhole(subject, verdict, 200);
}
